"""Train the category head over stored image embeddings.

python -m flows.train_classifier --model latest --catalog latest --classifier.head cosine
"""

from prefect import flow
from pydantic import Field

from flows.run_names import of_artifacts, run_name
from flows.steps import StepConfig, embedded, resolved
from tasks.choose_steps import require_classes
from tasks.classifier.config import ClassifierConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.manifest import ArtifactRef
from tasks.train_classifier import train_classifier as train_classifier_task


class TrainClassifierConfig(StepConfig):
    """Whose embeddings to learn from, and how."""

    classifier: ClassifierConfig = Field(ClassifierConfig(), description="Head, loss and schedule")


@flow(name="train_classifier", flow_run_name=run_name(of_artifacts))
def train_classifier(config: TrainClassifierConfig) -> ArtifactRef:
    """Train one head and report it."""
    if config.embed:  # else another flow, which chose its steps, calls this one
        catalog = resolved("catalog", config.catalog)
        require_classes(catalog, config.classifier)
        config = config.model_copy(update={"catalog": str(catalog)})
    model, catalog = embedded(config)
    return train_classifier_task(model, catalog, config.classifier, refresh=config.refresh)


if __name__ == "__main__":
    run_from_terminal(train_classifier, TrainClassifierConfig)
