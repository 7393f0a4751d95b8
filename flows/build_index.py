"""Embed every image of a catalogue and build the FAISS index over the vectors.

python -m flows.build_index --model latest --catalog latest --index.kind auto
"""

from prefect import flow
from pydantic import Field

from flows.run_names import of_artifacts, run_name
from flows.steps import StepConfig, embedded
from tasks.build_index import build_index as build_index_task
from tasks.gate import gate_index
from tasks.retrieval.config import IndexConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.manifest import ArtifactRef


class BuildIndexConfig(StepConfig):
    """Which vectors to index, and how."""

    index: IndexConfig = Field(IndexConfig(), description="Kind of index and recall target")
    gate: bool = Field(True, description="Check the written files; off where a release's gates will do it")


@flow(name="build_index", flow_run_name=run_name(of_artifacts))
def build_index(config: BuildIndexConfig) -> ArtifactRef:
    """Embed what is new, build the index, and let it pass its gate."""
    model, catalog = embedded(config)
    index = build_index_task(model, catalog, config.index, refresh=config.refresh)
    if config.gate:
        gate_index(index)
    return index


if __name__ == "__main__":
    run_from_terminal(build_index, BuildIndexConfig)
