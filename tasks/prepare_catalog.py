"""Tasks: read the shop as a catalogue; find the catalogue and the release that are live."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect.logging import get_run_logger

from tasks.catalog.config import CatalogConfig
from tasks.catalog.prepare import PreparedCatalog
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_figure, show_markdown, show_table, track
from tasks.schema.errors import ArtifactMissing, CatalogError
from tasks.schema.manifest import ArtifactRef, artifact_id
from tasks.schema.release import Release
from tasks.store.artifacts import artifacts
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.claims import PICTURES, claimed
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

RECIPE = 1
_SHOWN_REJECTS = 500


@io_task(name="prepare-catalog")
def prepare(config: CatalogConfig, parent: ArtifactRef | None = None) -> ArtifactRef:
    """Read the shop, store every good picture once, and write items and rejects.

    A picture is read only where its source says that it is another than when it was last read, unless the config asks
    to reread. The id follows from the content: an unchanged shop gives the catalogue that is already stored.
    """
    store = open_store()
    with claimed(store, [PICTURES]):  # one that is stored already is not written again, so it has to stay
        prepared = _read_shop(store, config, parent)
        catalog = _store_catalog(store, prepared.items, prepared.rejects, prepared.summary, config, parent)
    _show(catalog, prepared.rejects, prepared.summary)
    return catalog


def _read_shop(store: Store, config: CatalogConfig, parent: ArtifactRef | None) -> PreparedCatalog:
    from tasks.catalog.prepare import prepare_catalog
    from tasks.catalog.sources import sources_id
    from tasks.sources.shop import open_source
    from tasks.store.artifacts.images import picture_writer, read_sources, write_sources

    known = fetch_table(store, parent, "items.parquet") if parent else None
    files = open_source(config.root, anonymous=config.anonymous, images_root=config.images_root)
    shop = sources_id(config, files.root)
    seen = None if config.reread_pictures else read_sources(store, shop)
    try:
        with track("prepare-catalog", "reading the shop") as progress, picture_writer(store) as write_picture:
            prepared = prepare_catalog(
                config, files, write_picture=write_picture, parent=known, sources=seen, progress=progress
            )
    except CatalogError as error:
        _keep_rejects(store, getattr(error, "rejects", None))
        raise
    if not prepared.sources.equals(seen):  # the pictures are stored by now
        write_sources(store, shop, prepared.sources)
    return prepared


def _store_catalog(
    store: Store,
    items: pa.Table,
    rejects: pa.Table,
    summary: dict[str, Any],
    config: CatalogConfig,
    parent: ArtifactRef | None,
) -> ArtifactRef:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        content = {}
        for name, table in (("items.parquet", items), ("rejects.parquet", rejects)):
            data = table_bytes(table)
            (folder / name).write_bytes(data)
            content[name] = hashlib.sha256(data).hexdigest()
        catalog_id = artifact_id("catalog", {}, content, RECIPE)
        known = artifacts.find(store, ArtifactRef(kind="catalog", id=catalog_id))
        if known:
            return known.ref
        return artifacts.commit(
            store,
            "catalog",
            catalog_id,
            folder,
            recipe=RECIPE,
            parents={"previous": parent} if parent else {},
            parameters=config.model_dump(mode="json"),
            summary=summary,
            rows={"items.parquet": items.num_rows, "rejects.parquet": rejects.num_rows},
        ).ref


def _keep_rejects(store: Store, rejects: pa.Table | None) -> None:
    """Nothing is lost: what was refused stays readable although the catalogue was."""
    if rejects is None:
        return
    path = "catalogs/refused/rejects.parquet"
    store.write_table(path, rejects)
    get_run_logger().error("The refused rows are in %s", store.url(path))
    show_table("refused-rows", rejects.slice(0, _SHOWN_REJECTS).to_pylist(), "Rows of the shop that were refused")


def _show(catalog: ArtifactRef, rejects: pa.Table, summary: dict[str, Any]) -> None:
    from tasks.report.figures import data_uri, label_distribution

    counts = summary.get("categories", {})
    if counts:
        show_figure(
            "label-distribution", data_uri(label_distribution(counts), "image/svg+xml"), "Products in each category"
        )
    if rejects.num_rows:
        show_table("refused-rows", rejects.slice(0, _SHOWN_REJECTS).to_pylist(), "Rows of the shop that were refused")
    lines = [f"| {name} | {value} |" for name, value in summary.items() if not isinstance(value, (dict, list))]
    reasons = [f"| refused: {reason} | {count} |" for reason, count in summary.get("rejects", {}).items()]
    table = "\n".join(["| what | count |", "|---|---|", *lines, *reasons])
    show_markdown("catalog", f"# Catalogue `{catalog.id}`\n\n{table}", "What came in, what went out, what was refused")


@io_task(name="find-live-catalog")
def live_catalog(channel: str = "production") -> ArtifactRef | None:
    """The catalogue of the live release, whose splits a new catalogue keeps; None before the first release."""
    store = open_store()
    live = read_live(store, channel)
    return read_release(store, live.pointer.release).catalog if live else None


@io_task(name="read-live-release")
def read_live_release(channel: str) -> Release:
    """The release that ``channel`` serves. Raises ArtifactMissing where nothing was published yet."""
    store = open_store()
    live = read_live(store, channel)
    if live is None:
        raise ArtifactMissing(
            f"Nothing is live on channel {channel!r} of {store.root}: run the pipeline once before its nightly reindex."
        )
    return read_release(store, live.pointer.release)


def shop_of(release: Release, source: str | None, reread_pictures: bool = False) -> CatalogConfig:
    """How the release's catalogue was read, from ``source`` instead if one is given."""
    parameters = artifacts.load_manifest(open_store(), release.catalog).parameters
    changes = {"reread_pictures": reread_pictures, **({"source": source} if source else {})}
    return CatalogConfig.model_validate({**parameters, **changes})
