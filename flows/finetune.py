"""Fine-tune an OpenCLIP model on a catalogue. The pretrained model is stored too, as the baseline to compare with.

python -m flows.finetune --model.pretrained small --catalog latest
"""

from prefect import flow
from pydantic import Field

from flows.run_names import run_name
from flows.steps import resolved
from tasks.clip.config import FinetuneConfig, ModelConfig
from tasks.finetune import finetune as finetune_task
from tasks.finetune import load_pretrained
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactName, ArtifactRef


class FinetuneRun(Config):
    """Which weights to start from, which catalogue to learn, and how."""

    catalog: ArtifactName = Field("latest", description="Id of a catalogue in the store, or 'latest'")
    model: ModelConfig = Field(ModelConfig(), description="Weights to start from")
    baseline: ArtifactName | None = Field(
        None, description="Id of a model in the store to start from; empty: the weights that `model` names"
    )
    training: FinetuneConfig = Field(FinetuneConfig(), description="How to train")
    refresh: bool = Field(False, description="Train again even where the result is stored")


@flow(name="finetune", flow_run_name=run_name(lambda config: config.model.pretrained))
def finetune(config: FinetuneRun) -> ArtifactRef:
    """Fine-tune both towers; returns the model."""
    catalog = resolved("catalog", config.catalog)
    baseline = resolved("model", config.baseline) if config.baseline else load_pretrained(config.model)
    return finetune_task(baseline, catalog, config.training, refresh=config.refresh)


if __name__ == "__main__":
    run_from_terminal(finetune, FinetuneRun)
