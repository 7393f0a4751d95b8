"""Run parameters of the category head. Imports pydantic only."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.schema.config import Config


class ClassifierConfig(Config):
    """Head, loss and schedule. The defaults are the long-tail recipe; the rest stays because users ask for it."""

    head: Literal["cosine", "linear", "mlp"] = Field("cosine", description="Cosine and mlp read centred unit features")
    loss: Literal["logit_adjusted", "cross_entropy", "focal", "class_balanced"] = Field(
        "logit_adjusted", description="Logit adjustment (Menon 2021) lifts rare classes; focal did not on our test set"
    )
    sampler: Literal["none", "balanced"] = Field("none", description="'balanced' draws each class equally often")
    text_init: bool = Field(True, description="Start a cosine head from text embeddings of the class names, if given")
    scale: float = Field(25.0, gt=0, le=100, description="Factor on the cosine before the softmax")
    tau: Literal["auto"] | float = Field(
        "auto", description="Strength of logit adjustment; 'auto' tries 0 to 1 and keeps val's best macro-F1"
    )
    max_top1_drop: float = Field(0.01, ge=0, le=1, description="Val top-1 that 'auto' may give up for macro-F1")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="Exponent of the focal loss")
    balanced_beta: float = Field(0.999, ge=0, lt=1, description="Beta of the class-balanced loss (Cui 2019)")
    hidden: int = Field(512, ge=8, le=8192, description="Units of the mlp's hidden layer")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak rate of AdamW, cosine-decayed to 0")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Decay of the weights; biases are spared")
    epochs: int = Field(30, ge=1, le=1000, description="Passes over the training items")
    min_steps: int = Field(
        800, ge=0, le=1_000_000, description="Steps taken at least: a small shop goes through its items more often"
    )
    batch_size: int = Field(256, ge=1, le=65_536, description="Items per step")
    min_items_per_class: int = Field(
        3, ge=1, le=1000, description="Classes with fewer training items are left out, and named"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of initial weights and of the order of items")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if self.tau != "auto" and not 0 <= float(self.tau) <= 4:
            faults.append(f"tau={self.tau} must be 'auto' or between 0 and 4")
        if self.tau != "auto" and self.loss != "logit_adjusted":
            faults.append(f"tau={self.tau} means nothing to loss={self.loss!r}: drop tau or take loss='logit_adjusted'")
        if self.sampler == "balanced" and self.loss in ("logit_adjusted", "class_balanced"):
            faults.append(f"sampler='balanced' and loss={self.loss!r} both correct for class size: keep one of them")
        if faults:
            raise ValueError("; ".join(faults))
        return self
