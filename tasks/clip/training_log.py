"""The log of a training run."""

from typing import Any

from pydantic import BaseModel


class TrainingLog(BaseModel):
    """Settings and progress of a run. JSON-able; part of the checkpoint and source of the report's curves."""

    recipe: dict[str, Any] = {}
    device: str = ""
    precision: str = ""
    items: int = 0
    batch_size: int = 0
    steps_planned: int = 0
    steps: int = 0
    points: list[dict[str, float]] = []  # step, loss, learning_rate, logit_scale, gradient_norm, positives
    evaluations: list[dict[str, float]] = []  # step, recalls of both directions on the val split
    best_step: int = 0
    best_recall: float | None = None
    stopped_early: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    pictures_per_second: float = 0.0
    resumed_at: list[int] = []
