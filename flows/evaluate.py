"""Measure a model on a catalogue's val and test splits, beside a baseline if one is named.

python -m flows.evaluate --model latest --baseline none --catalog latest
"""

from typing import Literal

from prefect import flow
from prefect.futures import wait
from pydantic import Field

from flows.run_names import of_artifacts, run_name
from flows.steps import StepConfig, embedded
from tasks.evaluate import measure, report
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.manifest import ArtifactName, ArtifactRef

Split = Literal["val", "test"]


class EvaluateConfig(StepConfig):
    """What to measure, on what, and against what."""

    baseline: ArtifactName = Field("none", description="Id of the model to compare with, or 'none'")
    splits: tuple[Split, ...] = Field(("val", "test"), min_length=1, description="Splits to measure on")
    metrics: EvaluationConfig = Field(EvaluationConfig(), description="Cut-offs and intervals")


@flow(name="evaluate", flow_run_name=run_name(of_artifacts))
def evaluate(config: EvaluateConfig) -> ArtifactRef:
    """Measure each split and write one report; returns the report's evaluation artifact."""
    catalog, measured = _measure_splits(config)
    before: list[ArtifactRef] = []
    if config.baseline != "none":
        _, before = _measure_splits(config.model_copy(update={"model": config.baseline, "catalog": str(catalog)}))
    return report(measured, before, catalog, config.metrics, refresh=config.refresh)


def _measure_splits(config: EvaluateConfig) -> tuple[ArtifactRef, list[ArtifactRef]]:
    """The catalogue, and one measurement of each split."""
    model, catalog = embedded(config, config.splits)
    futures = [measure.submit(model, catalog, split, config.metrics, refresh=config.refresh) for split in config.splits]
    wait(futures)
    return catalog, [future.result() for future in futures]


if __name__ == "__main__":
    run_from_terminal(evaluate, EvaluateConfig)
