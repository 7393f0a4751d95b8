"""Write a release into a folder: the files of the original project, and the model with its card for a hub.

python -m flows.export_release --folder out/release
python -m flows.export_release --folder out/release --release 0123456789abcdef --license apache-2.0 --images
"""

from typing import Any

from prefect import flow
from pydantic import Field

from flows.run_names import run_name
from tasks.export_release import export_release as export_release_task
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.release import CHANNEL, RELEASE_ID


class ExportConfig(Config):
    """Which release to write, and where."""

    folder: str = Field(
        description="Folder of the machine that runs this; made here, and refused where it holds anything", min_length=1
    )
    release: str = Field("live", description="Id of a stored release, or 'live'", pattern=RELEASE_ID)
    channel: str = Field("production", description="Channel whose release 'live' is", pattern=CHANNEL)
    license: str = Field(
        "unknown",
        description="Licence of the model in its card, as the Hugging Face hub spells it: apache-2.0, cc-by-4.0, other",
        pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$",
    )
    images: bool = Field(False, description="Write the products' images too, each once")


@flow(name="export_release", flow_run_name=run_name(lambda config: config.release))
def export_release(config: ExportConfig) -> dict[str, Any]:
    """Write one release, all of it or nothing. What it lacks is named in the result and in README.txt."""
    return export_release_task(config.release, config.channel, config.folder, config.license, config.images)


if __name__ == "__main__":
    run_from_terminal(export_release, ExportConfig)
