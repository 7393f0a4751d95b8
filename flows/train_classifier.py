"""Train the category head over stored image embeddings.

python -m flows.train_classifier --model latest --catalog latest --classifier.head cosine
"""

from prefect import flow
from pydantic import Field

from flows.run_names import of_artifacts, run_name
from flows.steps import embed_images, resolved
from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import EmbedConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactName, ArtifactRef
from tasks.train_classifier import train_classifier as train_classifier_task


class TrainClassifierConfig(Config):
    """Whose embeddings to learn from, and how."""

    model: ArtifactName = Field("latest", description="Id of a model in the store, or 'latest'")
    catalog: ArtifactName = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    classifier: ClassifierConfig = Field(ClassifierConfig(), description="Head, loss and schedule")
    embed: EmbedConfig | None = Field(
        EmbedConfig(), description="How images without a stored vector are embedded; null: all have one already"
    )
    refresh: bool = Field(False, description="Train again even where the head is stored")


@flow(name="train_classifier", flow_run_name=run_name(of_artifacts))
def train_classifier(config: TrainClassifierConfig) -> ArtifactRef:
    """Train one head and report it."""
    catalog, model = resolved("catalog", config.catalog), resolved("model", config.model)
    if config.embed:
        embed_images(model, catalog, config.embed)
    return train_classifier_task(model, catalog, config.classifier, refresh=config.refresh)


if __name__ == "__main__":
    run_from_terminal(train_classifier, TrainClassifierConfig)
