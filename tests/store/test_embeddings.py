"""Embeddings: right vector for the right hash, or a clear refusal."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError
from tasks.schema.tables import embeddings_schema
from tasks.store.artifacts.embeddings import (
    covered,
    delete_embeddings,
    load_vectors,
    read_plan,
    shard_exists,
    write_plan,
    write_shard,
)
from tasks.store.objects.store import Store


def hashes(n: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(b"%d" % i).hexdigest() for i in range(start, start + n)]


def unit(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_come_back_in_any_order(store: Store, tmp_path: Path) -> None:
    keys, vectors = hashes(100), unit(100)
    for part in range(4):
        rows = slice(part * 25, part * 25 + 25)
        write_shard(store, "m1", f"p-{part:04d}", keys[rows], vectors[rows])
    write_shard(store, "m2", "p-0000", keys, unit(100, seed=9))
    order = np.random.default_rng(1).choice(100, size=150)  # any order, some twice
    found = load_vectors(store, "m1", [keys[i] for i in order])
    assert found.dtype == np.float32 and np.array_equal(found, vectors[order])
    mapped = load_vectors(store, "m1", [keys[i] for i in order], into=tmp_path / "vectors.npy")
    assert isinstance(mapped, np.memmap) and np.array_equal(np.load(tmp_path / "vectors.npy"), found)
    assert covered(store, "m1") == set(keys)
    assert shard_exists(store, "m1", "p-0003") and not shard_exists(store, "m1", "p-0004")
    assert store.read_table("embeddings/m1/part-p-0000.parquet").schema.equals(embeddings_schema(8))
    assert {info.path.split("/")[1] for info in store.list("embeddings")} == {"m1", "m2"}


def test_missing_vectors_are_counted(store: Store) -> None:
    write_shard(store, "m1", "a", hashes(3), unit(3))
    with pytest.raises(ArtifactMissing, match="2 of 4 images have no vector"):
        load_vectors(store, "m1", [*hashes(4, start=1), hashes(1, start=1)[0]])
    with pytest.raises(ArtifactMissing, match="3 of 3"):
        load_vectors(store, "m2", hashes(3))
    assert load_vectors(store, "m1", []).shape == (0, 0)
    assert covered(store, "m2") == set()


def test_the_first_shard_counts_where_two_hold_an_image(folder_store: Store) -> None:
    keys, first, second = hashes(2), unit(2, seed=1), unit(2, seed=2)
    write_shard(folder_store, "m1", "b", keys, second)
    write_shard(folder_store, "m1", "a", keys[:1], first[:1])
    assert np.array_equal(load_vectors(folder_store, "m1", keys), np.stack([first[0], second[1]]))


@pytest.mark.parametrize("fault", ["nan", "inf", "zero", "long"])
def test_a_bad_vector_is_neither_written_nor_read(folder_store: Store, fault: str) -> None:
    vectors = unit(3)
    vectors[1] = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "long": vectors[1] * 1.01}[fault]
    with pytest.raises(ConfigError, match=hashes(3)[1]):
        write_shard(folder_store, "m1", "a", hashes(3), vectors)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 8)
    table = pa.Table.from_arrays([pa.array(hashes(3)), column], schema=embeddings_schema(8))
    folder_store.write_table("embeddings/m1/part-a.parquet", table)
    with pytest.raises(ArtifactCorrupt, match=hashes(3)[1]):
        load_vectors(folder_store, "m1", hashes(3))
    assert len(load_vectors(folder_store, "m1", [hashes(3)[0], hashes(3)[2]])) == 2  # nobody asked for the bad one


def test_vectors_of_two_lengths_never_meet(folder_store: Store) -> None:
    write_shard(folder_store, "m1", "a", hashes(2), unit(2, dim=8))
    write_shard(folder_store, "m1", "b", hashes(2, start=2), unit(2, dim=4))
    with pytest.raises(ArtifactCorrupt, match="4 numbers"):
        load_vectors(folder_store, "m1", hashes(4))


def test_a_damaged_shard_is_found(store: Store) -> None:
    write_shard(store, "m1", "a", hashes(50), unit(50))
    path = "embeddings/m1/part-a.parquet"
    whole = store.read_bytes(path)
    flipped = bytearray(whole)
    flipped[whole.index(np.ascontiguousarray(unit(50)[20]).tobytes()) + 1] ^= 4  # a low bit: still about length one
    store.write_bytes(path, bytes(flipped))
    with pytest.raises(ArtifactCorrupt, match="part-a"):
        load_vectors(store, "m1", hashes(50))
    store.write_bytes(path, whole[:100])
    with pytest.raises(ArtifactCorrupt, match="part-a"):
        covered(store, "m1")


@pytest.mark.parametrize("shape", [(2, 8), (3,), (3, 0)])
def test_shapes_that_disagree_are_refused(folder_store: Store, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="shape"):
        write_shard(folder_store, "m1", "a", hashes(3), np.ones(shape, np.float32))
    for name in ("", "../x", "A"):
        with pytest.raises(ConfigError):
            shard_exists(folder_store, name, "a")


def test_plans_are_kept(store: Store) -> None:
    assert read_plan(store, "m1", "p1") is None
    plan = pa.table({"shard": pa.array([0, 0, 1], pa.int32()), "image_sha256": hashes(3)})
    write_plan(store, "m1", "p1", plan)
    found = read_plan(store, "m1", "p1")
    assert found is not None and found.to_pydict() == plan.to_pydict()
    assert covered(store, "m1") == set(), "a plan is no shard"
    write_shard(store, "m1", "a", hashes(3), unit(3))
    assert delete_embeddings(store, "m1") > 0
    assert store.list("embeddings") == []


def test_an_empty_shard_is_fine(folder_store: Store) -> None:
    write_shard(folder_store, "m1", "a", [], np.empty((0, 8), np.float32))
    assert covered(folder_store, "m1") == set()


def test_a_hundred_thousand_vectors_load_in_seconds(folder_store: Store) -> None:
    n, dim = 100_000, 64
    keys, vectors = hashes(n), unit(n, dim)
    for part, start in enumerate(range(0, n, 4096)):
        write_shard(folder_store, "m1", f"{part:04d}", keys[start : start + 4096], vectors[start : start + 4096])
    began = time.perf_counter()
    found = load_vectors(folder_store, "m1", keys[::-1])
    assert time.perf_counter() - began < 20  # about 0.5 s on an idle machine
    assert np.array_equal(found, vectors[::-1])
