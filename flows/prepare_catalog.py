"""Read a shop as one catalogue: items with splits, and every refused row with its reason.

python -m flows.prepare_catalog --source path/to/products.csv
"""

from prefect import flow

from flows.run_names import run_name
from tasks.catalog.config import CatalogConfig
from tasks.prepare_catalog import live_catalog
from tasks.prepare_catalog import prepare_catalog as prepare_catalog_task
from tasks.schema.command import run_from_terminal
from tasks.schema.manifest import ArtifactRef


@flow(name="prepare_catalog", flow_run_name=run_name(lambda config: config.shop_name))
def prepare_catalog(config: CatalogConfig) -> ArtifactRef:
    """Prepare one catalogue. Items that the live release already knows keep their split."""
    return prepare_catalog_task(config, parent=live_catalog())


if __name__ == "__main__":
    run_from_terminal(prepare_catalog, CatalogConfig)
