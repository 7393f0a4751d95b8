"""A shop as a stored catalogue, and what of it is embedded and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.catalog.config import CatalogConfig
from tasks.clip.config import EmbedConfig
from tasks.schema.progress import silent
from tasks.stages import embedding, preparation
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.garbage.shared_objects import SharedObjects
from tests.conftest import COLORS, TinyShop

if TYPE_CHECKING:
    from tasks.schema.manifest import ArtifactRef


def prepared(shop: TinyShop, folder: Path, table: str, **parameters: Any) -> ArtifactRef:
    for color in COLORS:
        (folder / f"{color}.jpg").write_bytes(shop.image(color, "chair"))
    (folder / "products.csv").write_text(table)
    config = CatalogConfig(source=str(folder / "products.csv"), **parameters)
    return preparation.prepare_catalog(shop.store, config, None, silent).ref


def test_further_images_are_stored_embedded_and_kept(own_store: TinyShop, tmp_path: Path) -> None:
    one, two, three = (f"{color}.jpg" for color in tuple(COLORS)[:3])
    table = f'id,title,image,image_2\n1,Chair,"{one}, {two}, none.jpg, {one}",{three}\n2,Bench,{two},\n'
    catalog = prepared(own_store, tmp_path, table)
    further = embedding.further_images(own_store.store, catalog)
    names = [(row["item_id"], row["position"], Path(row["source_uri"]).name) for row in further.to_pylist()]
    assert names == [("1", 1, two), ("1", 2, three)]
    plan = embedding.plan_shards(own_store.store, own_store.model(), catalog, (), EmbedConfig())
    assert plan.wanted == 3
    assert set(further["image_sha256"].to_pylist()) <= SharedObjects(own_store.store).hashes_of([catalog.folder])
    summary = load_manifest(own_store.store, catalog).summary
    assert summary["further_pictures"] == 2 and summary["rejected"] == 0


def test_a_shop_of_single_images_has_no_such_table(own_store: TinyShop, tmp_path: Path) -> None:
    one, two = (f"{color}.jpg" for color in tuple(COLORS)[:2])
    single = prepared(own_store, tmp_path, f"id,title,image\n1,Chair,{one}\n2,Bench,{two}\n")
    assert embedding.further_images(own_store.store, single).num_rows == 0
    assert [entry.path for entry in load_manifest(own_store.store, single).files] == [
        "items.parquet",
        "rejects.parquet",
    ]
    few = prepared(own_store, tmp_path, f'id,title,image\n1,Chair,"{one}, {two}"\n', images_per_product=1)
    assert embedding.further_images(own_store.store, few).num_rows == 0
