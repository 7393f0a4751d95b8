"""Measure a model on a catalogue's val and test splits, beside a baseline if one is named.

python -m flows.evaluate --model latest --baseline none --catalog latest
"""

from typing import Literal

from prefect import flow
from prefect.futures import wait
from pydantic import Field

from flows.run_names import of_artifacts, run_name
from flows.steps import embed_images, resolved
from tasks.clip.config import EmbedConfig
from tasks.evaluate import measure, report
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactName, ArtifactRef

Split = Literal["val", "test"]


class EvaluateConfig(Config):
    """What to measure, on what, and against what."""

    model: ArtifactName = Field("latest", description="Id of a model in the store, or 'latest'")
    baseline: ArtifactName = Field("none", description="Id of the model to compare with, or 'none'")
    catalog: ArtifactName = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    splits: tuple[Split, ...] = Field(("val", "test"), min_length=1, description="Splits to measure on")
    metrics: EvaluationConfig = Field(EvaluationConfig(), description="Cut-offs and intervals")
    embed: EmbedConfig | None = Field(
        EmbedConfig(), description="How images without a stored vector are embedded; null: all have one already"
    )
    refresh: bool = Field(False, description="Measure again even where a result is stored")


@flow(name="evaluate", flow_run_name=run_name(of_artifacts))
def evaluate(config: EvaluateConfig) -> ArtifactRef:
    """Measure each split and write one report; returns the report's evaluation artifact."""
    catalog, model = resolved("catalog", config.catalog), resolved("model", config.model)
    measured = _measure_splits(model, catalog, config)
    before = []
    if config.baseline != "none":
        before = _measure_splits(resolved("model", config.baseline), catalog, config)
    return report(measured, before, catalog, config.metrics, refresh=config.refresh)


def _measure_splits(model: ArtifactRef, catalog: ArtifactRef, config: EvaluateConfig) -> list[ArtifactRef]:
    if config.embed:
        embed_images(model, catalog, config.embed, splits=config.splits)
    futures = [measure.submit(model, catalog, split, config.metrics, refresh=config.refresh) for split in config.splits]
    wait(futures)
    return [future.result() for future in futures]


if __name__ == "__main__":
    run_from_terminal(evaluate, EvaluateConfig)
