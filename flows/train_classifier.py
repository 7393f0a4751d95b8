"""Train the category head over stored image embeddings.

python -m flows.train_classifier --model latest --catalog latest --classifier.head cosine
"""

from prefect import flow
from pydantic import Field

from flows.steps import embed_pictures
from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import EmbedConfig
from tasks.resolve import find_artifact
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactRef
from tasks.train_classifier import train_classifier_head


class TrainClassifierConfig(Config):
    """Whose embeddings to learn from, and how."""

    model: str = Field("latest", description="Id of a model in the store, or 'latest'")
    catalog: str = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    classifier: ClassifierConfig = Field(ClassifierConfig(), description="Head, loss and schedule")
    embed: EmbedConfig = Field(EmbedConfig(), description="How pictures without a stored vector are embedded")
    refresh: bool = Field(False, description="Train again even where the head is stored")


@flow(name="train_classifier")
def train_classifier(config: TrainClassifierConfig) -> ArtifactRef:
    """Train one head and report it."""
    catalog = find_artifact("catalog", config.catalog)
    model = find_artifact("model", config.model)
    embed_pictures(model, catalog, config.embed)
    return train_classifier_head(model, catalog, config.classifier, refresh=config.refresh)


if __name__ == "__main__":
    run_from_terminal(train_classifier, TrainClassifierConfig)
