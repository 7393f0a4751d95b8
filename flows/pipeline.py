"""The whole product in one flow, in order. Read this first.

python -m flows.pipeline --catalog.source path/to/products.csv --model.pretrained small
"""

from typing import Any

from prefect import flow
from pydantic import Field

from flows.build_index import BuildIndexConfig, build_index
from flows.evaluate import EvaluateConfig, evaluate
from flows.finetune import FinetuneRun, finetune
from flows.prepare_catalog import prepare_catalog
from flows.publish import PromoteConfig, promote
from flows.train_classifier import TrainClassifierConfig, train_classifier
from tasks.catalog.config import CatalogConfig
from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import EmbedConfig, FinetuneConfig, ModelConfig
from tasks.embed import require_engine
from tasks.finetune import load_pretrained
from tasks.gate import gate_release, read_golden_queries
from tasks.publish import make_release, summarise
from tasks.retrieval.config import EvaluationConfig, GateConfig, IndexConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import CHANNEL, ReleaseParts


class PipelineConfig(Config):
    """Everything from the shop's table to the live release."""

    catalog: CatalogConfig = Field(description="The shop: where it is and how to read it")
    model: ModelConfig = Field(ModelConfig(), description="Phase 0: the pretrained model to measure and start from")
    fine_tune: bool = Field(True, description="Phase 1: fine-tune on the catalogue; off serves the pretrained model")
    training: FinetuneConfig = Field(FinetuneConfig(), description="Phase 1: how to fine-tune")
    embed: EmbedConfig = Field(EmbedConfig(), description="Phase 2: how pictures are embedded")
    index: IndexConfig = Field(IndexConfig(), description="Phase 2: kind of index and recall target")
    classify: bool = Field(True, description="Phase 3: train the category classifier")
    classifier: ClassifierConfig = Field(ClassifierConfig(), description="Phase 3: head, loss and schedule")
    metrics: EvaluationConfig = Field(EvaluationConfig(), description="Cut-offs and intervals of the evaluations")
    publish: bool = Field(True, description="Make the new release live; off leaves it stored as a candidate")
    gates: GateConfig = Field(GateConfig(), description="What the release has to prove before it may go live")
    publish_anyway: bool = Field(False, description="Publish even if a gate refuses: the release records that it did")
    channel: str = Field("production", description="Channel that the app follows", pattern=CHANNEL)
    refresh: bool = Field(False, description="Do everything again even where results are stored")


@flow(name="pipeline")
def pipeline(config: PipelineConfig) -> dict[str, Any]:
    """Prepare, measure, fine-tune, measure again, embed, index, classify, publish. Returns a summary of each step."""
    require_engine(config.embed)
    golden = read_golden_queries(config.gates)
    catalog = prepare_catalog(config.catalog)
    baseline = load_pretrained(config.model)
    zero_shot = _evaluate(config, catalog, baseline)
    model, evaluation = baseline, zero_shot
    if config.fine_tune:
        model = _finetune(config, catalog)
        evaluation = _evaluate(config, catalog, model, baseline)
    index = _build_index(config, catalog, model)
    classifier = _train_classifier(config, catalog, model) if config.classify else None
    parts = ReleaseParts(catalog=catalog, model=model, index=index, classifier=classifier, evaluation=evaluation)
    report = gate_release(parts, config.channel, config.gates, golden)
    release = make_release(parts, report, config.channel, why="pipeline", publish_anyway=config.publish_anyway)
    if config.publish:
        promote(PromoteConfig(release=release, channel=config.channel, reason="pipeline"))
    return summarise(parts, baseline, release)


def _evaluate(
    config: PipelineConfig, catalog: ArtifactRef, model: ArtifactRef, baseline: ArtifactRef | None = None
) -> ArtifactRef:
    return evaluate(
        EvaluateConfig(
            model=model.id,
            baseline=baseline.id if baseline else "none",
            catalog=catalog.id,
            metrics=config.metrics,
            embed=config.embed,
            refresh=config.refresh,
        )
    )


def _finetune(config: PipelineConfig, catalog: ArtifactRef) -> ArtifactRef:
    return finetune(
        FinetuneRun(catalog=catalog.id, model=config.model, training=config.training, refresh=config.refresh)
    )


def _build_index(config: PipelineConfig, catalog: ArtifactRef, model: ArtifactRef) -> ArtifactRef:
    return build_index(
        BuildIndexConfig(
            model=model.id,
            catalog=catalog.id,
            embed=config.embed,
            index=config.index,
            gate=False,
            refresh=config.refresh,
        )
    )


def _train_classifier(config: PipelineConfig, catalog: ArtifactRef, model: ArtifactRef) -> ArtifactRef | None:
    return train_classifier(
        TrainClassifierConfig(
            model=model.id,
            catalog=catalog.id,
            classifier=config.classifier,
            embed=config.embed,
            refresh=config.refresh,
        )
    )


if __name__ == "__main__":
    run_from_terminal(pipeline, PipelineConfig)
