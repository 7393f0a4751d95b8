"""Embed every picture of a catalogue and build the FAISS index over the vectors.

python -m flows.build_index --model latest --catalog latest --index.kind auto
"""

from prefect import flow
from pydantic import Field

from flows.steps import embed_pictures
from tasks.build_index import build
from tasks.clip.config import EmbedConfig
from tasks.gate import gate_index
from tasks.resolve import find_artifact
from tasks.retrieval.config import IndexConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactRef


class BuildIndexConfig(Config):
    """Which vectors to index, and how."""

    model: str = Field("latest", description="Id of a model in the store, or 'latest'")
    catalog: str = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    embed: EmbedConfig = Field(EmbedConfig(), description="How pictures without a stored vector are embedded")
    index: IndexConfig = Field(IndexConfig(), description="Kind of index and recall target")
    gate: bool = Field(True, description="Check the written files; off where a release's gates will do it")
    refresh: bool = Field(False, description="Build again even where the index is stored")


@flow(name="build_index")
def build_index(config: BuildIndexConfig) -> ArtifactRef:
    """Embed what is new, build the index, and let it pass its gate."""
    catalog = find_artifact("catalog", config.catalog)
    model = find_artifact("model", config.model)
    embed_pictures(model, catalog, config.embed)
    index = build(model, catalog, config.index, refresh=config.refresh)
    if config.gate:
        gate_index(index)
    return index


if __name__ == "__main__":
    run_from_terminal(build_index, BuildIndexConfig)
