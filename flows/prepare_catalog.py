"""Read a shop as one catalogue: items with splits, and every refused row with its reason.

python -m flows.prepare_catalog --source path/to/products.csv
python -m flows.prepare_catalog --source path/to/products.csv --dry_run   # says what would be read; writes nothing
"""

from prefect import flow
from pydantic import Field

from flows.run_names import run_name
from tasks.catalog.config import CatalogConfig
from tasks.prepare_catalog import live_catalog
from tasks.prepare_catalog import prepare_catalog as prepare_catalog_task
from tasks.schema.command import run_from_terminal
from tasks.schema.manifest import ArtifactRef
from tasks.stages.preparation import describe_shop


@flow(name="prepare_catalog", flow_run_name=run_name(lambda config: config.shop_name))
def prepare_catalog(config: CatalogConfig) -> ArtifactRef:
    """Prepare one catalogue. Items that the live release already knows keep their split."""
    return prepare_catalog_task(config, parent=live_catalog())


class _Flags(CatalogConfig):
    """How a shop is read as a catalogue."""

    dry_run: bool = Field(False, description="Say what each column would be read as, and write nothing")


def _from_terminal(flags: _Flags) -> ArtifactRef | str:
    config = CatalogConfig(**flags.model_dump(exclude={"dry_run"}))
    return describe_shop(config) if flags.dry_run else prepare_catalog(config)


if __name__ == "__main__":
    run_from_terminal(_from_terminal, _Flags)
