"""Measure a model on a catalogue's val and test splits, beside a baseline if one is named.

python -m flows.evaluate --model latest --baseline none --catalog latest
"""

from typing import Literal

from prefect import flow
from prefect.futures import wait
from pydantic import Field

from flows.steps import embed_pictures
from tasks.clip.config import EmbedConfig
from tasks.compare import report
from tasks.evaluate import measure
from tasks.resolve import find_artifact
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactRef

Split = Literal["val", "test"]


class EvaluateConfig(Config):
    """What to measure, on what, and against what."""

    model: str = Field("latest", description="Id of a model in the store, or 'latest'")
    baseline: str = Field("none", description="Id of the model to compare with, or 'none'")
    catalog: str = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    splits: tuple[Split, ...] = Field(("val", "test"), min_length=1, description="Splits to measure on")
    metrics: EvaluationConfig = Field(EvaluationConfig(), description="Cut-offs and intervals")
    embed: EmbedConfig = Field(EmbedConfig(), description="How pictures without a stored vector are embedded")
    refresh: bool = Field(False, description="Measure again even where a result is stored")


@flow(name="evaluate")
def evaluate(config: EvaluateConfig) -> ArtifactRef:
    """Measure each split and write one report; returns the report's evaluation artifact."""
    catalog = find_artifact("catalog", config.catalog)
    model = find_artifact("model", config.model)
    measured = _measure_splits(model, catalog, config)
    before = []
    if config.baseline != "none":
        before = _measure_splits(find_artifact("model", config.baseline), catalog, config)
    return report(measured, before, catalog, config.metrics, refresh=config.refresh)


def _measure_splits(model: ArtifactRef, catalog: ArtifactRef, config: EvaluateConfig) -> list[ArtifactRef]:
    embed_pictures(model, catalog, config.embed, splits=config.splits)
    futures = [measure.submit(model, catalog, split, config.metrics, refresh=config.refresh) for split in config.splits]
    wait(futures)
    return [future.result() for future in futures]


if __name__ == "__main__":
    run_from_terminal(evaluate, EvaluateConfig)
