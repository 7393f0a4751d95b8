"""Embedding in shards: which images lack a vector, and the vectors of one shard. A stored shard is never made again."""

import hashlib
import platform
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from tasks.clip.config import GPU_SHARD_SIZE, SHARD_SIZE, EmbedConfig
from tasks.cluster.connection import RaySettings, require_ray
from tasks.schema.errors import ArtifactMissing, ConfigError
from tasks.schema.manifest import ArtifactRef
from tasks.schema.progress import Progress, silent
from tasks.schema.tables import FURTHER_IMAGES, FURTHER_IMAGES_FILE
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.claims import claim
from tasks.store.artifacts.images import image_reader, read_images
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.artifacts.provenance import code_version
from tasks.store.objects.store import Store, open_store

if TYPE_CHECKING:
    from tasks.clip.decoding import ImageSource
    from tasks.clip.encoder import Encoder


class ShardPlan(BaseModel):
    """Which images lack a vector, cut into shards; the hashes themselves lie in the store under ``id``."""

    model_config = ConfigDict(frozen=True)
    id: str
    shards: int
    images: int
    wanted: int

    def shard_name(self, shard: int) -> str:
        """Name of the object that holds the vectors of shard ``shard``."""
        return f"part-{self.id}-{shard:05d}"


class RemoteWork(BaseModel):
    """What a worker of another process, perhaps on another machine, needs to know of all its shards."""

    model_config = ConfigDict(frozen=True)
    model: ArtifactRef
    plan: ShardPlan
    config: EmbedConfig
    store: str
    code: str | None  # None: the same machine, hence the same


def further_images(store: Store, catalog: ArtifactRef) -> pa.Table:
    """The catalogue's further images (FURTHER_IMAGES schema), none where it has no such table."""
    held = any(entry.path == FURTHER_IMAGES_FILE for entry in load_manifest(store, catalog).files)
    return fetch_table(store, catalog, FURTHER_IMAGES_FILE) if held else FURTHER_IMAGES.empty_table()


def require_engine(config: EmbedConfig) -> None:
    """Raise ConfigError where the engine that is to embed is not installed: before hours of work, not after them."""
    if config.compute.engine == "ray":
        require_ray(RaySettings())


def plan_shards(
    store: Store, model: ArtifactRef, catalog: ArtifactRef, splits: tuple[str, ...], config: EmbedConfig
) -> ShardPlan:
    """Cut the images (of ``splits``, or all) that no stored vector covers into shards, and store the plan."""
    # A stored vector counts as done: of a kept model and catalogue it stays, unless it is being deleted right now.
    claim(store, [model.folder, catalog.folder], check_also=[f"{embeddings.FOLDER}/{model.id}"])
    items = fetch_table(store, catalog, "items.parquet", columns=["image_sha256", "split"])
    if splits:
        items = items.filter(pc.is_in(items["split"], value_set=pa.array(splits)))
    wanted = set(items["image_sha256"].to_pylist())
    if not splits:
        wanted |= set(further_images(store, catalog)["image_sha256"].to_pylist())
    missing = missing_images(store, model.id, wanted)
    size = shard_size(config) if missing else 1
    shards = -(-len(missing) // size)
    plan_id = hashlib.sha256("".join([str(size), *missing]).encode()).hexdigest()[:16]
    if shards:
        numbers = pa.array((row // size for row in range(len(missing))), pa.int32())
        embeddings.write_plan(store, model.id, plan_id, pa.table({"shard": numbers, "image_sha256": missing}))
    return ShardPlan(id=plan_id, shards=shards, images=len(missing), wanted=len(wanted))


def remote_work(store: Store, settings: RaySettings, model: ArtifactRef, plan: ShardPlan, config: EmbedConfig) -> str:
    """The RemoteWork that `embed_remotely` reads, as JSON."""
    code = None if settings.local else code_version(store)
    return RemoteWork(model=model, plan=plan, config=config, store=store.root, code=code).model_dump_json()


def embed_remotely(work: str, shard: int, hashes: list[str]) -> int:
    """Do one shard of a RemoteWork, in a worker process; returns as `embed_shard` does."""
    given, store = RemoteWork.model_validate_json(work), open_store()
    _require_same("store", store.root, given.store, "set the same STORE_URI where the node is started")
    if given.code:
        _require_same("code", code_version(store), given.code, "install the same version there")
    name = given.plan.shard_name(shard)
    if embeddings.shard_exists(store, given.model.id, name):
        return 0
    make_shard(store, given.model.id, name, hashes, load_encoder(given.model, given.config.precision), given.config)
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
    """Read, decode and encode the images ``hashes``, all three at once, and store their vectors as shard ``name``."""
    done: list[str] = []
    vectors: list[np.ndarray] = []
    source = image_source(store)
    for keys, batch in encoder.embed_stored(hashes, source, config.batch_size, config.decode_threads):
        done.extend(keys)
        vectors.append(batch)
        progress(len(done) / len(hashes), f"{len(done)} of {len(hashes)} images")
    embeddings.write_shard(store, model_id, name, done, np.concatenate(vectors))


def shard_size(config: EmbedConfig) -> int:
    """Images in one shard: a task costs half a second, which is to be little beside its work."""
    if config.shard_size:
        return config.shard_size
    on_gpu = config.compute.gpus_per_worker  # of a cluster elsewhere; nobody has asked it yet
    if on_gpu is None:
        from tasks.clip.device import choose_device

        on_gpu = choose_device().type == "cuda"
    return GPU_SHARD_SIZE if on_gpu else SHARD_SIZE


def image_source(store: Store) -> "ImageSource":
    """The stored images, for an encoder."""
    from tasks.clip.decoding import ImageSource

    return ImageSource(partial(read_images, store), image_reader, store.root)


def missing_images(store: Store, model_id: str, wanted: set[str]) -> list[str]:
    """Hashes of ``wanted`` without a stored vector of the model, sorted."""
    return sorted(wanted - embeddings.covered(store, model_id))


@lru_cache(maxsize=1)  # read once, not once a shard: that would grow with the square of the catalogue
def _read_plan(store: str, model_id: str, plan_id: str) -> pa.Table:
    """The plan in the store whose root is ``store``, which the environment names."""
    table = embeddings.read_plan(open_store(), model_id, plan_id)
    if table is None:
        raise ArtifactMissing(
            f"Shard plan {plan_id} of model {model_id} is gone: start the flow again, it makes a new plan."
        )
    return table


def shard_hashes(model: ArtifactRef, plan: ShardPlan, shard: int) -> list[str]:
    """Hashes of the images of one shard. Raises ArtifactMissing where the plan is gone."""
    table = _read_plan(open_store().root, model.id, plan.id)
    hashes: list[str] = table.filter(pc.equal(table["shard"], shard))["image_sha256"].to_pylist()
    return hashes


def _require_same(what: str, here: str, there: str, action: str) -> None:
    if here != there:
        raise ConfigError(f"node {platform.node()}: its {what} is {here}, the flow's is {there}; {action}")
