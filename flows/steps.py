"""Steps that more than one flow is made of."""

from collections.abc import Sequence

from prefect import unmapped
from prefect.futures import wait

from tasks.clip.config import EmbedConfig
from tasks.embed import embed_on_ray, embed_shard, plan_shards, require_engine
from tasks.orchestration.policies import accelerator
from tasks.schema.manifest import ArtifactRef


def embed_pictures(model: ArtifactRef, catalog: ArtifactRef, config: EmbedConfig, splits: Sequence[str] = ()) -> None:
    """Embed every picture of the catalogue (or of the splits) that has no stored vector, in shards.

    Here, each shard is a task; on Ray, one task drives them all. Both leave the same objects.
    """
    require_engine(config)
    plan = plan_shards(model, catalog, tuple(splits), config)
    if not plan.shards:
        return
    if config.compute.engine == "ray":
        embed_on_ray(model, plan, config)
        return
    # Held for all of them, not for each: a busy server answers the question for a slot only after seconds.
    with accelerator():
        futures = embed_shard.map(unmapped(model), unmapped(plan), range(plan.shards), unmapped(config))
        wait(futures)
    for future in futures:
        future.result()  # raises the first failure; finished shards stay stored
