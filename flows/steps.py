"""Steps that more than one flow is made of."""

from collections.abc import Sequence

from prefect import unmapped
from prefect.futures import wait
from pydantic import Field

from tasks.clip.config import EmbedConfig
from tasks.embed import embed_on_ray, embed_shard, plan_shards
from tasks.orchestration.policies import accelerator
from tasks.resolve import resolve
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactName, ArtifactRef, Kind, as_ref
from tasks.stages.embedding import require_engine


def resolved(kind: Kind, name: ArtifactName) -> ArtifactRef:
    """The artifact called ``name``. What another flow hands on is taken as it is: only a person's word is looked up."""
    return as_ref(kind, name) or resolve(kind, name)


class StepConfig(Config):
    """A step over a model and a catalogue."""

    model: ArtifactName = Field("latest", description="Id of a model in the store, or 'latest'")
    catalog: ArtifactName = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    embed: EmbedConfig | None = Field(
        EmbedConfig(), description="How images without a stored vector are embedded; null: all have one already"
    )
    refresh: bool = Field(False, description="Do it again even where the result is stored")


def embedded(config: StepConfig, splits: Sequence[str] = ()) -> tuple[ArtifactRef, ArtifactRef]:
    """The model and the catalogue of a step, once every image of the catalogue (or of the splits) has a vector."""
    model, catalog = resolved("model", config.model), resolved("catalog", config.catalog)
    if config.embed:
        embed_images(model, catalog, config.embed, splits)
    return model, catalog


def embed_images(model: ArtifactRef, catalog: ArtifactRef, config: EmbedConfig, splits: Sequence[str] = ()) -> None:
    """Embed every image of the catalogue (or of the splits) that has no stored vector, in shards.

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
