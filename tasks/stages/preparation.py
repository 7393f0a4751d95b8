"""A shop read as one catalogue: its good images stored once, its items and rejects as an artifact."""

import hashlib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tasks.catalog import prepare
from tasks.catalog.config import CatalogConfig
from tasks.catalog.prepare import PreparedCatalog
from tasks.schema.errors import ArtifactMissing, CatalogError
from tasks.schema.manifest import ArtifactRef, artifact_id
from tasks.schema.progress import Progress
from tasks.schema.release import Release
from tasks.schema.tables import FURTHER_IMAGES_FILE
from tasks.stages.unchanged import KnownShop, StoredCatalog
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.claims import IMAGES, claim_artifact, claimed
from tasks.store.artifacts.commit import commit
from tasks.store.artifacts.images import image_writer
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store
from tasks.store.releases.live import live_release

RECIPE = 1
_SAMPLED = 200  # images that a look at a shop reads
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveShop:
    """The release that a channel serves, and how to read its shop again."""

    release: Release
    config: CatalogConfig


def prepare_catalog(
    store: Store, config: CatalogConfig, parent: ArtifactRef | None, progress: Progress
) -> StoredCatalog:
    """Read the shop, store every good image once, and write items and rejects. Items of ``parent`` keep their split.

    A shop of which nothing changed since it was last read is not read again: its catalogue is stored. Else an image is
    read only where its source says that it changed. Where the config asks to reread, all is read. The id follows from
    the content. Raises CatalogError, with the ``rejects`` that are kept in the store.
    """
    with claimed(store, [IMAGES]):  # one that is stored already is not written again, so it has to stay
        shop = KnownShop(store, config, parent)
        found = shop.unchanged(progress)
        if found is None:
            prepared = _read_shop(store, config, shop, parent, progress)
            found = StoredCatalog(_store_catalog(store, prepared, config, parent), prepared.rejects, prepared.summary)
            shop.remember(prepared.images, found.ref)
        return found


def describe_shop(config: CatalogConfig) -> str:
    """What a shop would be read as: its columns and refused rows, and a sample of its images. Writes nothing.

    Raises CatalogError where it is no catalogue.
    """
    from tasks.catalog.column_report import described
    from tasks.catalog.prepare import prepare_catalog as read
    from tasks.sources.shop import open_source

    few = config.model_copy(update={"max_items": min(config.max_items or _SAMPLED, _SAMPLED), "max_reject_share": 1.0})
    files = open_source(config.root, anonymous=config.anonymous, images_root=config.images_root)
    prepared = read(few, files, write_image=lambda sha256, jpeg: None)
    refused = [
        f"  row {row['row']}: {row['reason']}: {row['detail']}" for row in prepared.rejects.slice(0, 10).to_pylist()
    ]
    return "\n".join([described(prepared.summary), *refused])


def _read_shop(
    store: Store, config: CatalogConfig, shop: KnownShop, parent: ArtifactRef | None, progress: Progress
) -> PreparedCatalog:
    known = fetch_table(store, parent, "items.parquet") if parent else None
    try:
        with image_writer(store) as write_image:
            return prepare.prepare_catalog(
                config, shop.files, write_image=write_image, parent=known, sources=shop.images, progress=progress
            )
    except CatalogError as error:
        _keep_rejects(store, getattr(error, "rejects", None))
        raise


def _store_catalog(
    store: Store, prepared: PreparedCatalog, config: CatalogConfig, parent: ArtifactRef | None
) -> ArtifactRef:
    tables = {"items.parquet": prepared.items, "rejects.parquet": prepared.rejects}
    if prepared.further_images.num_rows:
        tables[FURTHER_IMAGES_FILE] = prepared.further_images
    with tempfile.TemporaryDirectory() as scratch:
        content = {}
        for name, table in tables.items():
            data = table_bytes(table)
            (Path(scratch) / name).write_bytes(data)
            content[name] = hashlib.sha256(data).hexdigest()
        ref = ArtifactRef(kind="catalog", id=artifact_id("catalog", {}, content, RECIPE))
        if claim_artifact(store, ref):
            return ref
        return commit(
            store,
            "catalog",
            ref.id,
            Path(scratch),
            recipe=RECIPE,
            parents={"previous": parent} if parent else {},
            parameters=config.model_dump(mode="json"),
            summary=prepared.summary,
            rows={name: table.num_rows for name, table in tables.items()},
        ).ref


def _keep_rejects(store: Store, rejects: pa.Table | None) -> None:
    """Nothing is lost: what was refused stays readable although the catalogue was refused."""
    if rejects is not None:
        path = "catalogs/refused/rejects.parquet"
        store.write_table(path, rejects)
        _log.error("The refused rows are in %s", store.url(path))


def read_live_shop(store: Store, channel: str, source: str | None, reread_pictures: bool) -> LiveShop:
    """The release that ``channel`` serves, and how its shop was read: from ``source`` instead, if one is given.

    Raises ArtifactMissing where nothing was published yet.
    """
    live = live_release(store, channel)
    if live is None:
        raise ArtifactMissing(
            f"Nothing is live on channel {channel!r} of {store.root}: run the pipeline once before its nightly reindex."
        )
    parameters = load_manifest(store, live.catalog).parameters
    changes = {"reread_pictures": reread_pictures, **({"source": source} if source else {})}
    return LiveShop(live, CatalogConfig.model_validate({**parameters, **changes}))
