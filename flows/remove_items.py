"""The fast lane: take products down now, or bring them back, without building anything.

python -m flows.remove_items --items B0012345 --items B0067890 --reason "recall 2026-17: battery"
python -m flows.remove_items --restore B0012345 --reason "recall 2026-17 lifted"
"""

from typing import Any

from prefect import flow
from pydantic import Field, model_validator

from flows.run_names import of_channel, run_name
from tasks.remove_items import remove_items as remove_items_task
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.release import CHANNEL


class RemoveItemsConfig(Config):
    """Which products leave search at once, and which come back. Every later release keeps to it."""

    items: tuple[str, ...] = Field((), description="Ids of products to take down")
    restore: tuple[str, ...] = Field((), description="Ids of products taken down before, to bring back")
    reason: str = Field(description="Why, for whoever asks later: a recall's number, a complaint", min_length=3)
    channel: str = Field("production", description="Channel that the app follows", pattern=CHANNEL)
    unknown_ok: bool = Field(False, description="Also take down ids that the live release does not have (yet)")

    @model_validator(mode="after")
    def _says_what(self) -> "RemoveItemsConfig":
        if not self.items and not self.restore:
            raise ValueError("name at least one product in items (to take down) or restore (to bring back)")
        if both := sorted(set(self.items) & set(self.restore)):
            raise ValueError(f"{', '.join(both)}: in items and in restore; take each down or bring it back")
        return self


@flow(name="remove_items", flow_run_name=run_name(of_channel))
def remove_items(config: RemoveItemsConfig) -> dict[str, Any]:
    """Publish the live release with these products taken down (or brought back) by one compare-and-swap."""
    return remove_items_task(config.items, config.restore, config.channel, config.reason, config.unknown_ok)


if __name__ == "__main__":
    run_from_terminal(remove_items, RemoveItemsConfig)
