"""Training of one head with one loss, on the CPU and without shared random state, so that runs repeat exactly."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from tasks.classifier.config import ClassifierConfig
from tasks.classifier.head import centred
from tasks.classifier.losses import balanced_draw, make_loss

Parameters = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Fitted:
    """Trained tensors, float32 numpy, named as `Head.tensors` wants them, and the mean loss of each epoch."""

    tensors: dict[str, np.ndarray]
    losses: list[float]


def fit(
    vectors: np.ndarray,
    targets: np.ndarray,
    classes: int,
    start: np.ndarray | None,
    tau: float,
    config: ClassifierConfig,
) -> Fitted:
    """Train on ``vectors`` (n, d) float32 and ``targets`` (n,) int64 below ``classes``. start: see `train.py`."""
    mean = vectors.mean(axis=0)
    # A plain linear layer reads uncentred embeddings, whose elements are about 1/sqrt(d): unscaled, it does not
    # converge in 30 epochs at a usual learning rate. The factor is folded into its weights afterwards.
    inputs = vectors if config.head == "linear" else centred(vectors, mean)
    x = torch.from_numpy(np.ascontiguousarray(inputs)) * (1.0 if config.head == "cosine" else config.scale)
    y, counts = torch.from_numpy(targets), torch.from_numpy(np.bincount(targets, minlength=classes))
    generator = torch.Generator().manual_seed(config.seed)
    parameters = _new_parameters(x.shape[1], classes, start, config, generator)
    with _one_thread():
        losses = _descend(x, y, counts, parameters, tau, config, generator)
    return Fitted(_as_tensors(parameters, mean, config), losses)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: steps of a millisecond gain nothing from more, and waiting for them costs up to tenfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _descend(
    x: torch.Tensor,
    y: torch.Tensor,
    counts: torch.Tensor,
    parameters: Parameters,
    tau: float,
    config: ClassifierConfig,
    generator: torch.Generator,
) -> list[float]:
    loss_of = make_loss(config, counts, tau)
    decayed = [p for name, p in parameters.items() if name.endswith("weight")]
    spared = [p for name, p in parameters.items() if not name.endswith("weight")]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate)
    batches = -(-len(x) // config.batch_size)
    epochs = max(config.epochs, -(-config.min_steps // batches))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * batches)
    losses = []
    for _ in range(epochs):
        order = (
            balanced_draw(y, counts, generator)
            if config.sampler == "balanced"
            else torch.randperm(len(x), generator=generator)
        )
        total = 0.0
        for batch in order.split(config.batch_size):
            loss = loss_of(_logits(x[batch], parameters, config), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        losses.append(round(total / len(x), 6))
    return losses


def _new_parameters(
    dim: int, classes: int, start: np.ndarray | None, config: ClassifierConfig, generator: torch.Generator
) -> Parameters:
    def drawn(rows: int, columns: int) -> torch.Tensor:
        root: float = columns**0.5
        return torch.randn(rows, columns, generator=generator) / root

    width = config.hidden if config.head == "mlp" else dim
    weight = drawn(classes, width) if start is None else torch.from_numpy(start.copy())
    parameters = {"weight": weight}
    if config.head != "cosine":
        parameters["bias"] = torch.zeros(classes)
    if config.head == "linear":
        parameters["weight"] = torch.zeros(classes, dim)
    if config.head == "mlp":
        parameters |= {"hidden_weight": drawn(width, dim), "hidden_bias": torch.zeros(width)}
    return {name: tensor.requires_grad_() for name, tensor in parameters.items()}


def _logits(x: torch.Tensor, parameters: Parameters, config: ClassifierConfig) -> torch.Tensor:
    if config.head == "cosine":
        return config.scale * functional.linear(x, functional.normalize(parameters["weight"], dim=1))
    if config.head == "mlp":
        x = functional.relu(functional.linear(x, parameters["hidden_weight"], parameters["hidden_bias"]))
    return functional.linear(x, parameters["weight"], parameters["bias"])


def _as_tensors(parameters: Parameters, mean: np.ndarray, config: ClassifierConfig) -> dict[str, np.ndarray]:
    tensors = {name: tensor.detach().clone() for name, tensor in parameters.items()}
    if config.head == "cosine":
        tensors["weight"] = functional.normalize(tensors["weight"], dim=1)
    if config.head == "linear":
        tensors["weight"] = tensors["weight"] * config.scale
        return {name: tensor.numpy() for name, tensor in tensors.items()}
    return {"mean": mean.astype(np.float32)} | {name: tensor.numpy() for name, tensor in tensors.items()}
