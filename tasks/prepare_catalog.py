"""Tasks: read the shop as a catalogue; find the catalogue and the shop of what is live."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from prefect.logging import get_run_logger

from tasks.catalog.column_report import column_rows, described
from tasks.catalog.config import CatalogConfig
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_figures, show_svg, show_table, track
from tasks.schema.errors import CatalogError
from tasks.schema.manifest import ArtifactRef
from tasks.stages import preparation
from tasks.stages.preparation import LiveShop
from tasks.store.objects.store import open_store
from tasks.store.releases.live import live_release

_SHOWN_REJECTS = 500


@io_task()
def prepare_catalog(config: CatalogConfig, parent: ArtifactRef | None = None) -> ArtifactRef:
    """Read the shop, store every good image once, and write items and rejects. Items of ``parent`` keep their split.

    The id follows from the content: an unchanged shop gives the catalogue that is already stored.
    """
    try:
        with track("prepare-catalog", "reading the shop") as progress:
            catalog = preparation.prepare_catalog(open_store(), config, parent, progress)
    except CatalogError as error:
        _show_rejects(getattr(error, "rejects", None))
        raise
    _show(catalog.ref, catalog.rejects, catalog.summary)
    get_run_logger().info("Read %s as\n%s", config.source, described(catalog.summary))
    return catalog.ref


@io_task()
def live_catalog(channel: str = "production") -> ArtifactRef | None:
    """The catalogue of the live release, whose splits a new catalogue keeps; None before the first release."""
    live = live_release(open_store(), channel)
    return live.catalog if live else None


@io_task()
def read_live_shop(channel: str, source: str | None = None, reread_pictures: bool = False) -> LiveShop:
    """The release that ``channel`` serves, and how to read its shop again. See `preparation.read_live_shop`."""
    return preparation.read_live_shop(open_store(), channel, source, reread_pictures)


def _show_rejects(rejects: pa.Table | None) -> None:
    if rejects is not None and rejects.num_rows:
        show_table("refused-rows", rejects.slice(0, _SHOWN_REJECTS).to_pylist(), "Rows of the shop that were refused")


def _show(catalog: ArtifactRef, rejects: pa.Table, summary: Mapping[str, Any]) -> None:
    from tasks.report.figures import label_distribution

    counts = summary.get("categories", {})
    if counts:
        show_svg("label-distribution", label_distribution(counts), "Products in each category")
    _show_rejects(rejects)
    columns = column_rows(summary)
    if columns:
        show_table("columns", columns, "What each column of the shop was read as")
    figures = {
        name: value for name, value in summary.items() if not isinstance(value, dict) and name != "column_report"
    }
    figures["refused:"] = summary.get("rejects", {})
    show_figures("catalog", f"Catalogue `{catalog.id}`", figures, "What came in, what went out, what was refused")
