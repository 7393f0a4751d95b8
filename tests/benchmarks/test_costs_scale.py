"""What grows with the shop grows no faster than it: counted and traced, never timed. See docs/scale.md."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.harness import synthetic
from tasks.catalog import prepare as preparing
from tasks.catalog import slices
from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import SourceImage, StoredImage, sources_of
from tasks.catalog.sources import sources_table
from tasks.catalog.tables import delimited
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import build_index, save_index
from tasks.sources.shop import open_source
from tasks.store.artifacts import embeddings
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store


def test_a_row_of_the_shop_costs_no_more_memory_in_a_larger_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((delimited, "BLOCK"), (slices, "AT_ONCE")):
        monkeypatch.setattr(module, name, 128)  # a catalogue of many blocks
    _, small, large = (_bytes_a_row(tmp_path / str(rows), rows) for rows in (50, 200, 800))  # the first imports
    assert large < 1.1 * small
    assert large < 2_000, "all rows were Python objects at once"


def _bytes_a_row(folder: Path, rows: int) -> float:
    shop = [synthetic.listing(number) for number in range(rows)]
    for at in {Path(row["image"]).parent for row in shop}:
        (folder / at).mkdir(parents=True)
    for row in shop:
        synthetic.placeholder(folder / row["image"], 1.7e9)
    synthetic.write_table(folder / "shop.csv", shop)
    config = CatalogConfig(source=str(folder / "shop.csv"))
    files, known = open_source(config.root), {}
    for number, row in enumerate(shop):
        sha256, version = synthetic.placeholder_sha256(number), files.read_changed(row["image"], "").version
        known[row["image"]] = SourceImage(version, StoredImage(sha256, 256, 256, sha256))
    sources = sources_table(sources_of(list(known), list(known.values())))
    del shop, known
    tracemalloc.start()
    try:
        made = preparing.prepare_catalog(config, files, write_image=_nobody_writes, sources=sources)
        return tracemalloc.get_traced_memory()[1] / made.items.num_rows
    finally:
        tracemalloc.stop()


def _nobody_writes(sha256: str, jpeg: bytes) -> None:
    raise AssertionError(f"image {sha256} was read although nothing of it changed")


def test_a_vector_takes_two_bytes_a_number_and_a_row_number(tmp_path: Path) -> None:
    dim, items = 64, 6_000
    built = build_index(synthetic.clip_like(items, dim), synthetic.clip_like(50, dim, side="text"), IndexConfig())
    size = save_index(built, tmp_path / "index.faiss").stat().st_size
    cells = built.figures["nlist"] * dim * 4
    assert size - cells < items * (2 * dim + 8) * 1.02


@pytest.mark.parametrize("shards", [2, 8])
def test_what_reads_all_vectors_asks_the_store_once_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    store = open_store(StoreSettings(store_uri=str(tmp_path / "store"), store_cache=tmp_path / "cache"))
    hashes = [f"{number:064x}" for number in range(10 * shards)]
    vectors = synthetic.clip_like(len(hashes), 16)
    for shard in range(shards):
        part = slice(10 * shard, 10 * shard + 10)
        embeddings.write_shard(store, "m", f"part-{shard}", hashes[part], vectors[part])
    asked: Counter[str] = Counter()
    for name in ("list", "read_table", "read_bytes", "exists", "stat"):
        monkeypatch.setattr(Store, name, _counting(asked, name, getattr(Store, name)))
    assert embeddings.covered(store, "m") == set(hashes)
    assert asked == {"list": 1, "read_table": shards}
    asked.clear()
    embeddings.load_vectors(store, "m", hashes, into=tmp_path / "vectors.npy")
    assert asked == {"list": 1, "read_table": shards}


def _counting(asked: Counter[str], name: str, real):
    def call(*given, **named):
        asked[name] += 1
        return real(*given, **named)

    return call
