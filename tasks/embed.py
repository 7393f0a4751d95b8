"""Tasks: embed pictures in shards. A finished shard is found by its object and skipped."""

import hashlib
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prefect.logging import get_run_logger
from pydantic import BaseModel, ConfigDict

from tasks.clip.config import EmbedConfig
from tasks.policies import accelerator, compute_task, io_task
from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import ArtifactRef
from tasks.schema.progress import Progress, silent
from tasks.show import show_markdown, track
from tasks.store import embeddings
from tasks.store.cache import fetch, fetch_table
from tasks.store.claims import claim
from tasks.store.pictures import read_pictures
from tasks.store.store import Store, open_store

if TYPE_CHECKING:
    from tasks.clip.encoder import Encoder

_loading = Lock()


class ShardPlan(BaseModel):
    """Which pictures lack a vector, cut into shards; the hashes themselves lie in the store under ``id``."""

    model_config = ConfigDict(frozen=True)
    id: str
    shards: int
    pictures: int


def load_encoder(model: ArtifactRef, precision: Literal["fp32", "bf16", "auto"] = "fp32") -> "Encoder":
    """The model's encoder, loaded once a process (the last two are kept)."""
    with _loading:
        return _load_encoder(model.id, precision)


@lru_cache(maxsize=2)
def _load_encoder(model_id: str, precision: Literal["fp32", "bf16", "auto"]) -> "Encoder":
    from tasks.clip.encoder import Encoder

    folder = fetch(open_store(), ArtifactRef(kind="model", id=model_id))
    return Encoder.load(folder, precision=precision)


@io_task(name="plan-shards")
def plan_shards(model: ArtifactRef, catalog: ArtifactRef, splits: tuple[str, ...], config: EmbedConfig) -> ShardPlan:
    """Cut the pictures (of ``splits``, or all) that no stored vector covers into shards of ``config.shard_size``."""
    store = open_store()
    # A stored vector counts as done: of a kept model and catalogue it stays, unless it is being deleted right now.
    claim(store, [model.folder, catalog.folder], beside=[f"{embeddings.FOLDER}/{model.id}"])
    items = fetch_table(store, catalog, "items.parquet", columns=["image_sha256", "split"])
    wanted = {
        sha
        for sha, split in zip(items["image_sha256"].to_pylist(), items["split"].to_pylist(), strict=True)
        if not splits or split in splits
    }
    missing = missing_pictures(store, model.id, wanted)
    shards = -(-len(missing) // config.shard_size)
    plan_id = hashlib.sha256("".join([str(config.shard_size), *missing]).encode()).hexdigest()[:16]
    if shards:
        numbers = pa.array((row // config.shard_size for row in range(len(missing))), pa.int32())
        embeddings.write_plan(store, model.id, plan_id, pa.table({"shard": numbers, "image_sha256": missing}))
    show_markdown(
        "embedding-plan",
        f"{len(wanted)} pictures wanted, {len(wanted) - len(missing)} have a stored vector, "
        f"**{len(missing)} to embed** in {shards} shard(s) with model `{model.id}`.",
        "What is embedded and what is reused",
    )
    return ShardPlan(id=plan_id, shards=shards, pictures=len(missing))


@compute_task(name="embed-shard", task_run_name="embed-shard-{shard}")
def embed_shard(model: ArtifactRef, plan: ShardPlan, shard: int, config: EmbedConfig) -> int:
    """Embed one shard and store it as one object; returns how many pictures were embedded (0 if it was there)."""
    store = open_store()
    name = f"part-{plan.id}-{shard:05d}"
    if embeddings.shard_exists(store, model.id, name):
        return 0
    hashes = _shard_hashes(store, model, plan, shard)
    encoder = load_encoder(model, config.precision)
    label = f"embedding shard {shard + 1} of {plan.shards}"
    with accelerator(), track(f"embed-shard-{shard}", label) as progress:
        make_shard(store, model.id, name, hashes, encoder, config, progress)
    get_run_logger().info("Embedded %d pictures as %s", len(hashes), name)
    return len(hashes)


def make_shard(
    store: Store,
    model_id: str,
    name: str,
    hashes: list[str],
    encoder: "Encoder",
    config: EmbedConfig,
    progress: Progress = silent,
) -> None:
    """Read, decode and encode the pictures ``hashes``, all three at once, and store their vectors as shard ``name``."""
    done: list[str] = []
    vectors: list[np.ndarray] = []
    pictures = zip(hashes, read_pictures(store, hashes), strict=True)
    for keys, batch in encoder.embed(pictures, config.batch_size, config.decode_threads):
        done.extend(keys)
        vectors.append(batch)
        progress(len(done) / len(hashes), f"{len(done)} of {len(hashes)} pictures")
    embeddings.write_shard(store, model_id, name, done, np.concatenate(vectors))


def missing_pictures(store: Store, model_id: str, wanted: set[str]) -> list[str]:
    """Hashes of ``wanted`` without a stored vector of the model, sorted."""
    return sorted(wanted - embeddings.covered(store, model_id))


def _shard_hashes(store: Store, model: ArtifactRef, plan: ShardPlan, shard: int) -> list[str]:
    table = embeddings.read_plan(store, model.id, plan.id)
    if table is None:
        raise ArtifactMissing(f"Shard plan {plan.id} of model {model.id} is gone: start the flow again, it plans anew.")
    return table.filter(pc.equal(table["shard"], shard))["image_sha256"].to_pylist()
