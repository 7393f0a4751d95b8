"""Fine-tune an OpenCLIP model on a catalogue. The pretrained model is stored too, as the baseline to compare with.

python -m flows.finetune --model.pretrained small --catalog latest
"""

from prefect import flow
from pydantic import Field

from tasks.clip.config import FinetuneConfig, ModelConfig
from tasks.finetune import load_pretrained, train
from tasks.resolve import find_artifact
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactRef


class FinetuneRun(Config):
    """Which weights to start from, which catalogue to learn, and how."""

    catalog: str = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    model: ModelConfig = Field(ModelConfig(), description="Weights to start from")
    training: FinetuneConfig = Field(FinetuneConfig(), description="How to train")
    refresh: bool = Field(False, description="Train again even where the result is stored")


@flow(name="finetune")
def finetune(config: FinetuneRun) -> ArtifactRef:
    """Fine-tune both towers; returns the model."""
    catalog = find_artifact("catalog", config.catalog)
    baseline = load_pretrained(config.model)
    return train(baseline, catalog, config.training, refresh=config.refresh)


if __name__ == "__main__":
    run_from_terminal(finetune, FinetuneRun)
