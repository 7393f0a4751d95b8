"""Run parameters of the model: its weights, fine-tuning and embedding. Imports pydantic only."""

from typing import Any, Literal

from pydantic import Field, model_validator

from tasks.schema.compute import ComputeConfig
from tasks.schema.config import Config
from tasks.schema.errors import ConfigError


class ModelConfig(Config):
    """Which OpenCLIP weights a run starts from."""

    pretrained: str = Field(
        default="ViT-B-32/laion2b_s34b_b79k",
        min_length=1,
        description=(
            "Where the weights come from. ARCH/TAG: an OpenCLIP name, downloaded once (ViT-B-32/laion2b_s34b_b79k, "
            "ViT-B-32/openai). hf-hub:ORG/NAME: a repository on the Hugging Face hub. A folder: open_clip_config.json "
            "beside open_clip_model.safetensors or open_clip_pytorch_model.bin. ARCH=FILE: a checkpoint file for that "
            "architecture (.safetensors, .bin, .pt of open_clip_train). small: the 3.6 M parameter demo model with "
            "random weights, which needs no download and learns a small shop in about a minute on two cores"
        ),
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seed of random weights; only 'small' has any")


class CaptionShares(Config):
    """How often each kind of caption is shown in training. Shares are scaled over the kinds an item has."""

    title: float = Field(default=0.5, ge=0, le=1, description="The title as the shop wrote it")
    title_without_brand: float = Field(default=0.1, ge=0, le=1, description="The title without its brand")
    attributes: float = Field(default=0.2, ge=0, le=1, description="Colour, material, pattern and type in one phrase")
    color_type: float = Field(default=0.1, ge=0, le=1, description="Short: 'red sofa'")
    type: float = Field(default=0.05, ge=0, le=1, description="Shortest: 'sofa'")
    bullet: float = Field(default=0.05, ge=0, le=1, description="One bullet point of the description")

    @model_validator(mode="after")
    def _some_share(self) -> "CaptionShares":
        if sum(self.model_dump().values()) <= 0:
            raise ValueError("every caption share is 0: set at least one above 0")
        return self


#: What a blank field means. "vit-b-32": careful steps from pretrained weights. "small": from random weights on a CPU.
_RECIPES: dict[str, dict[str, Any]] = {
    "vit-b-32": {
        "epochs": 10.0,
        "batch_size": 512,
        "accumulate": 1,
        "learning_rate": 1e-5,
        "beta2": 0.98,
        "warmup_share": 0.1,
        "logit_scale_rate": 0.1,
        "label_smoothing": 0.0,
        "captions": CaptionShares(),
        "crop_area_min": 0.8,
        "jitter": 0.0,
        "evaluations": 10,
        "patience": 2,
        "save_every_steps": 100,
    },
    "small": {
        "steps": 800,
        "batch_size": 128,
        "accumulate": 1,
        "learning_rate": 3e-3,
        "beta2": 0.98,
        "warmup_share": 0.08,
        "logit_scale_rate": 1.0,
        "label_smoothing": 0.1,
        "captions": CaptionShares(
            title=0.3, title_without_brand=0.1, attributes=0.2, color_type=0.2, type=0.1, bullet=0.1
        ),
        "crop_area_min": 1.0,
        "jitter": 0.08,
        "evaluations": 6,
        "patience": 0,
        "save_every_steps": 100,
    },
}


class FinetuneConfig(Config):
    """How both towers are trained. A field left blank takes the value of the recipe that fits the model."""

    recipe: Literal["auto", "vit-b-32", "small"] = Field(
        default="auto",
        description=(
            "Values of the blank fields. vit-b-32: careful steps from pretrained weights, for a GPU. small: from "
            "random weights on a CPU in about a minute. auto: small for models below 20 M parameters, else vit-b-32"
        ),
    )
    epochs: float | None = Field(
        default=None, gt=0, le=1000, description="Passes over the training items (blank: 10). Excludes steps"
    )
    steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Optimiser steps (blank: the small recipe's 800). Excludes epochs"
    )
    batch_size: int | None = Field(
        default=None, ge=2, le=32768, description="Pairs that are each other's negatives (blank: 512; small: 128)"
    )
    accumulate: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Cut a batch into this many pieces to fit memory; the negatives stay the whole batch's (blank: 1)",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=0.1, description="Peak learning rate of AdamW (blank: 1e-5; small: 3e-3)"
    )
    weight_decay: float = Field(
        default=0.1, ge=0, le=1, description="On matrices; never on norms, biases, embeddings or the temperature"
    )
    beta2: float | None = Field(default=None, gt=0, lt=1, description="AdamW's second moment (blank: 0.98)")
    warmup_share: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="Share of steps with a rising rate, cosine after (blank: .1; small: .08)",
    )
    gradient_clip: float = Field(default=1.0, gt=0, le=1000, description="Largest norm of the whole gradient")
    logit_scale_max: float = Field(
        default=100.0, ge=1, le=1000, description="Bound of the softmax scale (100 is CLIP's own: ln 100 as stored)"
    )
    logit_scale_rate: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Rate of the scale relative to learning_rate; 0 freezes (blank: .1; small: 1)",
    )
    label_smoothing: float | None = Field(
        default=None, ge=0, le=0.5, description="Target mass spread over the batch (blank: 0; small: 0.1)"
    )
    positives: Literal["own", "caption", "group"] = Field(
        default="caption",
        description=(
            "What counts as a match within a batch. own: the item's own image. caption: also every image whose "
            "item carries the same words. group: also every variant of the same design, even in another colour"
        ),
    )
    captions: CaptionShares | None = Field(default=None, description="How often each kind of caption is shown")
    crop_area_min: float | None = Field(
        default=None,
        ge=0.1,
        le=1,
        description="Smallest share of the image a random crop keeps (blank: .8; small: 1)",
    )
    flip: bool = Field(default=True, description="Mirror half of the images")
    jitter: float | None = Field(
        default=None, ge=0, le=0.5, description="Range of random brightness and contrast (blank: 0; small: 0.08)"
    )
    image_size: int | None = Field(
        default=None, ge=16, le=1024, description="Side of the training image in pixels (blank: the model's own)"
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto: bfloat16 where the device computes with it natively; the loss is fp32 always"
    )
    evaluations: int | None = Field(
        default=None, ge=1, le=1000, description="Times recall is measured on the val split (blank: 10; small: 6)"
    )
    patience: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Evaluations without a new best before stopping; 0 never (blank: 2; small: 0)",
    )
    save_every_steps: int | None = Field(
        default=None, ge=1, description="Steps between checkpoints a killed run goes on from (blank and small: 100)"
    )
    picture_memory_mb: int = Field(
        default=4096,
        ge=0,
        le=1_000_000,
        description="Decoded images are kept up to this size; above, decoded each time",
    )
    threads: int = Field(default=4, ge=1, le=128, description="Threads that decode images")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seed of order, captions and crops")

    @model_validator(mode="after")
    def _agree(self) -> "FinetuneConfig":
        faults = _contradictions(self)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @classmethod
    def small(cls, **changes: Any) -> "FinetuneConfig":
        """The recipe for the small model from random weights, with ``changes`` on top."""
        return cls(recipe="small", **changes)

    def resolve(self, parameters: int) -> "Recipe":
        """Every blank filled for a model of ``parameters`` weights. Raises ConfigError naming every contradiction."""
        name = self.recipe
        if name == "auto":
            name = "small" if parameters < 20_000_000 else "vit-b-32"
        chosen = {field: value for field, value in self if value is not None}
        values = {**_RECIPES[name], **chosen, "recipe": name}
        if "steps" in chosen:
            values.pop("epochs", None)
        if "epochs" in chosen:
            values.pop("steps", None)
        # what was left blank gives way to what was set: a short run is measured less often
        if "evaluations" not in chosen:
            values["evaluations"] = min(values["evaluations"], values.get("steps") or values["evaluations"])
        if "patience" not in chosen:
            values["patience"] = min(values["patience"], values["evaluations"])
        try:
            return Recipe(**values)
        except ValueError as error:
            raise ConfigError(f"the {name} recipe with these settings contradicts itself: {error}") from error


class Recipe(FinetuneConfig):
    """A FinetuneConfig without blanks (one of ``epochs`` and ``steps`` stays None). Made by ``resolve``."""

    batch_size: int
    accumulate: int
    learning_rate: float
    beta2: float
    warmup_share: float
    logit_scale_rate: float
    label_smoothing: float
    captions: CaptionShares
    crop_area_min: float
    jitter: float
    evaluations: int
    patience: int
    save_every_steps: int


def _contradictions(config: FinetuneConfig) -> list[str]:
    faults = []
    if config.epochs is not None and config.steps is not None:
        faults.append("epochs and steps are both set: leave one blank")
    if config.batch_size and config.accumulate and config.batch_size % config.accumulate:
        faults.append(f"batch_size {config.batch_size} cannot be cut into {config.accumulate} equal pieces")
    if config.batch_size and config.accumulate and config.batch_size // config.accumulate < 2:
        faults.append(f"accumulate {config.accumulate} leaves pieces below 2 pairs of batch_size {config.batch_size}")
    if config.steps and config.evaluations and config.evaluations > config.steps:
        faults.append(f"{config.evaluations} evaluations do not fit into {config.steps} steps")
    if config.patience and config.evaluations and config.patience > config.evaluations:
        faults.append(f"patience {config.patience} can never run out within {config.evaluations} evaluations: use 0")
    return faults


SHARD_SIZE, GPU_SHARD_SIZE = 2048, 16_384


class EmbedConfig(Config):
    """How images become vectors."""

    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Images in one forward pass (blank: 64 on a CPU, 512 on a GPU). What is too many is halved",
    )
    shard_size: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description=(
            "Images in one stored shard: what a killed run repeats at most (blank: 2048, a minute's work of a "
            "CPU; 16384, a few seconds' work, where this machine has a GPU or compute.gpus_per_worker is set)"
        ),
    )
    precision: Literal["fp32", "bf16", "auto"] = Field(
        default="auto",
        description=(
            "auto: bfloat16 where the device computes with it natively, which halves the time on a CPU. Vectors of one "
            "model may come from machines of both kinds: they mix, for they differ by less than 1e-3 of cosine"
        ),
    )
    decode_threads: int | None = Field(
        default=None,
        ge=1,
        le=128,
        description=(
            "Threads that decode and resize images (blank: 4). Beside a GPU, more than 4 are processes (blank: one a "
            "core), for the threads of one process keep no GPU busy"
        ),
    )
    compute: ComputeConfig = Field(default=ComputeConfig(), description="Who computes shards: this process, or Ray")
