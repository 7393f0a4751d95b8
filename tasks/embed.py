"""Tasks: embed images in shards. A finished shard is found by its object and skipped."""

from contextlib import nullcontext
from functools import partial
from threading import Lock

from prefect.logging import get_run_logger

from tasks.clip.config import EmbedConfig
from tasks.cluster.connection import RaySettings, connected
from tasks.cluster.shards import ShardRun
from tasks.cluster.worker_plan import choose_worker_plan
from tasks.orchestration.policies import accelerator, compute_task, io_task
from tasks.orchestration.run_artifacts import show_markdown, track
from tasks.schema.manifest import ArtifactRef
from tasks.stages import embedding
from tasks.stages.embedding import ShardPlan
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tasks.store.objects.store import open_store

_one_shard = Lock()


@io_task()
def plan_shards(model: ArtifactRef, catalog: ArtifactRef, splits: tuple[str, ...], config: EmbedConfig) -> ShardPlan:
    """Cut the images (of ``splits``, or all) that no stored vector covers into shards."""
    plan = embedding.plan_shards(open_store(), model, catalog, splits, config)
    show_markdown(
        "embedding-plan",
        f"{plan.wanted} images wanted, {plan.wanted - plan.images} have a stored vector, "
        f"**{plan.images} to embed** in {plan.shards} shard(s) with model `{model.id}`.",
        "What is embedded and what is reused",
    )
    return plan


@compute_task(task_run_name="embed_shard-{shard}")
def embed_shard(model: ArtifactRef, plan: ShardPlan, shard: int, config: EmbedConfig) -> int:
    """Embed one shard and store it as one object; returns how many images were embedded (0 if it was there).

    One at a time in a process. Its flow holds the accelerator's limit, for all shards.
    """
    store, name = open_store(), plan.shard_name(shard)
    if embeddings.shard_exists(store, model.id, name):
        return 0
    encoder = load_encoder(model, config.precision)
    label = f"embedding shard {shard + 1} of {plan.shards}"
    with _one_shard, track(f"embed-shard-{shard}", label) as progress:
        # In here, for every shard is a thread: outside, each would read the plan before the first had remembered it.
        hashes = embedding.shard_hashes(model, plan, shard)
        embedding.make_shard(store, model.id, name, hashes, encoder, config, progress)
    get_run_logger().info("Embedded %d images as %s", len(hashes), name)
    return len(hashes)


@compute_task()
def embed_on_ray(model: ArtifactRef, plan: ShardPlan, config: EmbedConfig) -> int:
    """Embed every shard by worker processes on Ray, as the same objects; returns how many images were embedded.

    Workers find the store by the environment of their own machine: no setting of it travels. The accelerator's limit is
    held where the cluster is this machine, whose device it guards. Elsewhere this process computes nothing, and Ray
    itself gives out the cluster's devices: a run that waits for one must not keep this machine's from others.
    """
    store, settings = open_store(), RaySettings()
    work = embedding.remote_work(store, settings, model, plan, config)
    hashes = partial(embedding.shard_hashes, model, plan)
    hashes(0)  # a plan that is gone is noticed before a cluster is asked
    with (
        accelerator() if settings.local else nullcontext(),
        connected(settings) as nodes,
        track("embed-on-ray", f"embedding {plan.shards} shards on Ray") as progress,
    ):
        workers = choose_worker_plan(nodes, config.compute)
        get_run_logger().info("%s, on %s", workers, ", ".join(map(str, nodes)))
        run = ShardRun(partial(embedding.embed_remotely, work), hashes, plan.shards, workers, progress)
        embedded: int = sum(images for _, images in run.results())
    get_run_logger().info("Embedded %d images in %d shards on Ray", embedded, plan.shards)
    return embedded
