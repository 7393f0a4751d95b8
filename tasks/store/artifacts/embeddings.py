"""Stored embeddings of one model: image hash -> unit vector, in append-only shards. The resume point and the cache."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.format import open_memmap

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError
from tasks.schema.tables import embeddings_schema
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store

Vectors = npt.NDArray[np.float32]

FOLDER = "embeddings"
PLAN = pa.schema([pa.field("shard", pa.int32(), nullable=False), pa.field("image_sha256", pa.string(), nullable=False)])
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
_NORM_TOLERANCE = 1e-3
_READERS = 4


def covered(store: Store, model_id: str) -> set[str]:
    """Hashes of the images that have a stored vector of this model. Reads the hash column of each shard only."""
    found: set[str] = set()
    shards = _shards(store, model_id)
    for table in map_ordered(lambda path: store.read_table(path, ["image_sha256"]), shards, _READERS):
        found.update(table.column(0).to_pylist())
    return found


def shard_exists(store: Store, model_id: str, name: str) -> bool:
    """Whether shard ``name`` of a model is stored."""
    return store.exists(_shard_path(model_id, name))


def write_shard(store: Store, model_id: str, name: str, hashes: list[str], vectors: Vectors) -> None:
    """Store one shard: ``hashes[i]`` has ``vectors[i]`` (float32, (n, d), L2-normalised).

    Raises ConfigError where shapes disagree or a vector is not finite or not of length one: a bad vector is refused
    here, before anything is built on it.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(hashes) or vectors.shape[1] == 0:
        raise ConfigError(f"shard {name}: {len(hashes)} hashes with vectors of shape {vectors.shape}; expected (n, d)")
    fault = _fault(vectors)
    if fault is not None:
        raise ConfigError(f"shard {name}: vector of {hashes[fault[0]]} {fault[1]}; the encoder must make unit vectors")
    schema = embeddings_schema(vectors.shape[1])
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    table = pa.Table.from_arrays([pa.array(hashes, pa.string()), column.cast(schema.field(1).type)], schema=schema)
    # Random mantissas neither compress nor repeat; plain pages are read at memory speed.
    data = table_bytes(table, compression={"image_sha256": "zstd"}, use_dictionary=False)
    store.write_bytes(_shard_path(model_id, name), data)


def load_vectors(store: Store, model_id: str, hashes: list[str], into: Path | None = None) -> Vectors:
    """Vectors of ``hashes`` in the order asked: float32 (n, d). Of a hash in several shards, the first shard's counts.

    Shards are streamed into one array made up front, so the peak is the result plus a few shards. ``into``: a new .npy
    file to hold the result, mapped: the system then takes its memory back where it needs it. Raises
    ArtifactMissing with the number of images without a vector, ArtifactCorrupt where a vector is not finite, not of
    length one, or of another length than the rest.
    """
    rows: dict[str, int] = {}
    repeated: list[tuple[int, int]] = []
    for row, sha256 in enumerate(hashes):
        first = rows.setdefault(sha256, row)
        if first != row:
            repeated.append((row, first))
    result: Vectors | None = None
    shards = _shards(store, model_id) if hashes else []
    for path, table in zip(shards, map_ordered(store.read_table, shards, _READERS, ahead=_READERS), strict=True):
        result = _fill(result, len(hashes), rows, table, store.url(path), into)
        if not rows:
            break
    if rows:
        raise ArtifactMissing(
            f"{len(rows)} of {len(hashes) - len(repeated)} images have no vector of model {model_id} in {store.root} "
            f"(first: {next(iter(rows))[:12]}); run the embed step for this model"
        )
    if result is None:
        return np.empty((0, 0), np.float32)
    if repeated:
        to, source = np.array(repeated, dtype=np.int64).T
        result[to] = result[source]
    return result


def write_plan(store: Store, model_id: str, plan_id: str, plan: pa.Table) -> None:
    """Store which image belongs to which shard: a table ``shard`` (int32), ``image_sha256``."""
    store.write_table(_plan_path(model_id, plan_id), plan.select(PLAN.names).cast(PLAN))


def read_plan(store: Store, model_id: str, plan_id: str) -> pa.Table | None:
    """The stored plan, None where there is none. Raises ArtifactCorrupt."""
    try:
        return store.read_table(_plan_path(model_id, plan_id))
    except ArtifactMissing:
        return None


def delete_embeddings(store: Store, model_id: str) -> int:
    """Remove every shard and plan of a model; returns the bytes freed."""
    found = store.list(f"{FOLDER}/{_named(model_id)}")
    for info in found:
        store.delete(info.path)
    return sum(info.size for info in found)


def _fill(
    result: Vectors | None, n: int, rows: dict[str, int], table: pa.Table, url: str, into: Path | None
) -> Vectors | None:
    """Copy the wanted vectors of one shard into their rows, and remove them from ``rows``."""
    kind = table.schema.field("vector").type
    if not pa.types.is_fixed_size_list(kind):
        raise ArtifactCorrupt(f"{url} holds {kind}, expected a list of fixed size; delete it and embed again")
    taken = [(i, rows.pop(key)) for i, key in enumerate(table.column("image_sha256").to_pylist()) if key in rows]
    if not taken:
        return result
    if result is None:
        shape = (n, kind.list_size)
        result = np.empty(shape, np.float32) if into is None else open_memmap(into, "w+", np.float32, shape)
    if kind.list_size != result.shape[1]:
        raise ArtifactCorrupt(f"{url} holds vectors of {kind.list_size} numbers, not {result.shape[1]}; delete it")
    source, to = np.array(taken, dtype=np.int64).T
    chosen = _matrix(table.column("vector"), kind.list_size)[source]
    fault = _fault(chosen)
    if fault is not None:
        name = table.column("image_sha256")[int(source[fault[0]])]
        raise ArtifactCorrupt(f"{url}: the vector of {name} {fault[1]}; delete the shard and embed again")
    result[to] = chosen
    return result


def _matrix(column: pa.ChunkedArray, dim: int) -> Vectors:
    chunks = [np.asarray(chunk.flatten()).reshape(-1, dim) for chunk in column.chunks]
    return (chunks[0] if len(chunks) == 1 else np.concatenate(chunks)).astype(np.float32, copy=False)


def _fault(vectors: Vectors) -> tuple[int, str] | None:
    """Row and description of the first vector that is not a finite unit vector."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _NORM_TOLERANCE))  # written so that NaN is bad
    return None if bad.size == 0 else (int(bad[0]), f"has length {norms[bad[0]]:.4g}, not 1")


def _shards(store: Store, model_id: str) -> list[str]:
    folder = f"{FOLDER}/{_named(model_id)}"
    shard = re.compile(rf"{re.escape(folder)}/part-[^/]+\.parquet")
    return [info.path for info in store.list(folder) if shard.fullmatch(info.path)]


def _shard_path(model_id: str, name: str) -> str:
    return f"{FOLDER}/{_named(model_id)}/part-{_named(name.removeprefix('part-').removesuffix('.parquet'))}.parquet"


def _plan_path(model_id: str, plan_id: str) -> str:
    return f"{FOLDER}/{_named(model_id)}/plans/{_named(plan_id)}.parquet"


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r:.80} is not a name; expected lower-case letters, digits, '.', '_', '-'")
    return name
