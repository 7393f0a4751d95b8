"""Tasks: embed pictures in shards. A finished shard is found by its object and skipped."""

import hashlib
import platform
from contextlib import nullcontext
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prefect.logging import get_run_logger
from pydantic import BaseModel, ConfigDict

from tasks.clip.config import GPU_SHARD_SIZE, SHARD_SIZE, EmbedConfig
from tasks.cluster.connection import RaySettings, connected, require_ray
from tasks.cluster.shards import ShardRun
from tasks.cluster.worker_plan import choose_crew
from tasks.orchestration.policies import accelerator, compute_task, io_task
from tasks.orchestration.run_artifacts import show_markdown, track
from tasks.schema.errors import ArtifactMissing, ConfigError
from tasks.schema.manifest import ArtifactRef
from tasks.schema.progress import Progress, silent
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.artifacts import code_version
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.claims import claim
from tasks.store.artifacts.images import picture_reader, read_pictures
from tasks.store.objects.store import Store, open_store

if TYPE_CHECKING:
    from tasks.clip.decoding import Source
    from tasks.clip.encoder import Encoder

_loading = Lock()
_one_shard = Lock()


class ShardPlan(BaseModel):
    """Which pictures lack a vector, cut into shards; the hashes themselves lie in the store under ``id``."""

    model_config = ConfigDict(frozen=True)
    id: str
    shards: int
    pictures: int

    def shard_name(self, shard: int) -> str:
        """Name of the object that holds the vectors of shard ``shard``."""
        return f"part-{self.id}-{shard:05d}"


class RemoteWork(BaseModel):
    """What a worker of another process, perhaps on another machine, is told about all of its shards."""

    model_config = ConfigDict(frozen=True)
    model: ArtifactRef
    plan: ShardPlan
    config: EmbedConfig
    store: str
    code: str | None  # None: the same machine, hence the same


def require_engine(config: EmbedConfig) -> None:
    """Raise ConfigError where the engine that is to embed cannot be had: before hours of work, not after them."""
    if config.compute.engine == "ray":
        require_ray(RaySettings())


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
    """Cut the pictures (of ``splits``, or all) that no stored vector covers into shards."""
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
    size = shard_size(config) if missing else 1
    shards = -(-len(missing) // size)
    plan_id = hashlib.sha256("".join([str(size), *missing]).encode()).hexdigest()[:16]
    if shards:
        numbers = pa.array((row // size for row in range(len(missing))), pa.int32())
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
    """Embed one shard and store it as one object; returns how many pictures were embedded (0 if it was there).

    One at a time in a process. Its flow holds the accelerator's limit, for all shards.
    """
    store = open_store()
    name = plan.shard_name(shard)
    if embeddings.shard_exists(store, model.id, name):
        return 0
    encoder = load_encoder(model, config.precision)
    label = f"embedding shard {shard + 1} of {plan.shards}"
    with _one_shard, track(f"embed-shard-{shard}", label) as progress:
        # In here, for every shard is a thread: outside, each would read the plan before the first had remembered it.
        hashes = _shard_hashes(_read_plan(store.root, model.id, plan.id), shard)
        make_shard(store, model.id, name, hashes, encoder, config, progress)
    get_run_logger().info("Embedded %d pictures as %s", len(hashes), name)
    return len(hashes)


@compute_task(name="embed-on-ray")
def embed_on_ray(model: ArtifactRef, plan: ShardPlan, config: EmbedConfig) -> int:
    """Embed every shard by worker processes on Ray, as the same objects; returns how many pictures were embedded.

    Workers find the store by the environment of their own machine: no setting of it travels. The accelerator's limit is
    held where the cluster is this machine, whose device it guards. Elsewhere this process computes nothing, and Ray
    itself gives out the cluster's devices: a run that waits for one must not keep this machine's from others.
    """
    store, settings = open_store(), RaySettings()
    table = _read_plan(store.root, model.id, plan.id)
    code = None if settings.local else code_version(store)
    work = RemoteWork(model=model, plan=plan, config=config, store=store.root, code=code)
    embedded = 0
    with (
        accelerator() if settings.local else nullcontext(),
        connected(settings) as nodes,
        track("embed-on-ray", f"embedding {plan.shards} shards on Ray") as progress,
    ):
        crew = choose_crew(nodes, config.compute)
        get_run_logger().info("%s, on %s", crew, ", ".join(map(str, nodes)))
        compute = partial(embed_remotely, work.model_dump_json())
        run = ShardRun(compute, partial(_shard_hashes, table), plan.shards, crew, progress)
        for _, pictures in run.results():
            embedded += pictures
    get_run_logger().info("Embedded %d pictures in %d shards on Ray", embedded, plan.shards)
    return embedded


def embed_remotely(work: str, shard: int, hashes: list[str]) -> int:
    """What a worker process does for one shard of a RemoteWork, as JSON; returns as `embed_shard` does."""
    given, store = RemoteWork.model_validate_json(work), open_store()
    _require_same("store", store.root, given.store, "set the same STORE_URI where the node is started")
    if given.code:
        _require_same("code", code_version(store), given.code, "install the same version there")
    name = given.plan.shard_name(shard)
    if embeddings.shard_exists(store, given.model.id, name):
        return 0
    encoder = load_encoder(given.model, given.config.precision)
    make_shard(store, given.model.id, name, hashes, encoder, given.config)
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
    source = picture_source(store)
    for keys, batch in encoder.embed_stored(hashes, source, config.batch_size, config.decode_threads):
        done.extend(keys)
        vectors.append(batch)
        progress(len(done) / len(hashes), f"{len(done)} of {len(hashes)} pictures")
    embeddings.write_shard(store, model_id, name, done, np.concatenate(vectors))


def shard_size(config: EmbedConfig) -> int:
    """Pictures in one shard: a task costs half a second, which is to be little beside its work."""
    if config.shard_size:
        return config.shard_size
    on_gpu = config.compute.gpus_per_worker  # of a cluster elsewhere; nobody has asked it yet
    if on_gpu is None:
        from tasks.clip.device import choose_device

        on_gpu = choose_device().type == "cuda"
    return GPU_SHARD_SIZE if on_gpu else SHARD_SIZE


def picture_source(store: Store) -> "Source":
    """The stored pictures, for an encoder."""
    from tasks.clip.decoding import Source

    return Source(partial(read_pictures, store), picture_reader, store.root)


def missing_pictures(store: Store, model_id: str, wanted: set[str]) -> list[str]:
    """Hashes of ``wanted`` without a stored vector of the model, sorted."""
    return sorted(wanted - embeddings.covered(store, model_id))


@lru_cache(maxsize=1)  # read once, not once a shard: that would grow with the square of the catalogue
def _read_plan(store: str, model_id: str, plan_id: str) -> pa.Table:
    """The plan in the store whose root is ``store``, which the environment names."""
    table = embeddings.read_plan(open_store(), model_id, plan_id)
    if table is None:
        raise ArtifactMissing(f"Shard plan {plan_id} of model {model_id} is gone: start the flow again, it plans anew.")
    return table


def _shard_hashes(plan: pa.Table, shard: int) -> list[str]:
    return plan.filter(pc.equal(plan["shard"], shard))["image_sha256"].to_pylist()


def _require_same(what: str, here: str, there: str, action: str) -> None:
    if here != there:
        raise ConfigError(f"node {platform.node()}: its {what} is {here}, the flow's is {there}; {action}")
