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
from flows.run_names import run_name
from flows.steps import embed_images
from flows.train_classifier import TrainClassifierConfig, train_classifier
from tasks.build_index import build_lexical
from tasks.catalog.config import CatalogConfig
from tasks.choose_steps import choose_steps
from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import EmbedConfig, FinetuneConfig, ModelConfig
from tasks.finetune import load_pretrained
from tasks.gate import gate_release, read_golden_queries
from tasks.lexical.config import LexicalConfig
from tasks.publish import make_release, summarise
from tasks.retrieval.config import EvaluationConfig, GateConfig, IndexConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.release import CHANNEL, ReleaseParts
from tasks.stages.embedding import require_engine


class PipelineConfig(Config):
    """Everything from the shop's table to the live release."""

    catalog: CatalogConfig = Field(description="The shop: where it is and how to read it")
    model: ModelConfig = Field(ModelConfig(), description="Phase 0: the pretrained model to measure and start from")
    fine_tune: bool = Field(True, description="Phase 1: fine-tune on the catalogue; off serves the pretrained model")
    training: FinetuneConfig = Field(FinetuneConfig(), description="Phase 1: how to fine-tune")
    embed: EmbedConfig = Field(EmbedConfig(), description="Phase 2: how images are embedded")
    index: IndexConfig = Field(IndexConfig(), description="Phase 2: kind of index and recall target")
    index_words: bool = Field(True, description="Phase 2: index the shop's words beside the vectors")
    lexical: LexicalConfig = Field(LexicalConfig(), description="Phase 2: which words count, and how much")
    classify: bool = Field(True, description="Phase 3: train the category classifier")
    classifier: ClassifierConfig = Field(ClassifierConfig(), description="Phase 3: head, loss and schedule")
    metrics: EvaluationConfig = Field(EvaluationConfig(), description="Cut-offs and intervals of the evaluations")
    publish: bool = Field(True, description="Make the new release live; off leaves it stored as a candidate")
    gates: GateConfig = Field(GateConfig(), description="What the release has to prove before it may go live")
    publish_anyway: bool = Field(False, description="Publish even if a gate refuses: the release records that it did")
    channel: str = Field("production", description="Channel that the app follows", pattern=CHANNEL)
    refresh: bool = Field(False, description="Do everything again even where results are stored")


@flow(name="pipeline", flow_run_name=run_name(lambda config: config.catalog.shop_name))
def pipeline(config: PipelineConfig) -> dict[str, Any]:
    """Prepare, measure, fine-tune, measure again, embed, index, classify, publish. Returns a summary of each step.

    Measuring, fine-tuning and classifying are left out where the catalogue has too little for them: what was left out
    and why is in the release's notes.
    """
    require_engine(config.embed)
    golden = read_golden_queries(config.gates)
    catalog = prepare_catalog(config.catalog)
    training, classifier = config.training if config.fine_tune else None, config.classifier if config.classify else None
    steps = choose_steps(catalog, training, classifier)
    baseline = load_pretrained(config.model)
    measuring = {"catalog": catalog, "splits": steps.splits}
    evaluation = evaluate(config.part(EvaluateConfig, model=baseline, **measuring)) if steps.splits else None
    model = baseline
    if steps.fine_tune:
        model = finetune(config.part(FinetuneRun, baseline=baseline, catalog=catalog))
    embed_images(model, catalog, config.embed)
    made_of = {"model": model, "catalog": catalog, "embed": None}  # every vector is stored by now
    if steps.fine_tune and steps.splits:
        evaluation = evaluate(config.part(EvaluateConfig, baseline=baseline, **made_of | measuring))
    index = build_index(config.part(BuildIndexConfig, gate=False, **made_of))
    words = build_lexical(catalog, config.lexical, refresh=config.refresh) if config.index_words else None
    head = train_classifier(config.part(TrainClassifierConfig, **made_of)) if steps.classify else None
    parts = ReleaseParts(
        catalog=catalog, model=model, index=index, lexical=words, classifier=head, evaluation=evaluation
    )
    report = gate_release(parts, config.channel, config.gates, golden)
    release = make_release(
        parts, report, config.channel, why="pipeline", notes=steps.notes, publish_anyway=config.publish_anyway
    )
    if config.publish:
        promote(PromoteConfig(release=release, channel=config.channel, reason="pipeline"))
    return summarise(parts, baseline, release, steps.notes)


if __name__ == "__main__":
    run_from_terminal(pipeline, PipelineConfig)
