"""Losses and samplers for long-tailed classes."""

from collections.abc import Callable

import torch
from torch.nn import functional

from tasks.classifier.config import ClassifierConfig

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def make_loss(config: ClassifierConfig, counts: torch.Tensor, tau: float) -> Loss:
    """A loss of (logits (b, classes), targets (b,) int64). counts: training items per class (classes,)."""
    if config.loss == "logit_adjusted":
        shift = tau * log_prior(counts)
        return lambda logits, targets: functional.cross_entropy(logits + shift, targets)
    if config.loss == "focal":
        return lambda logits, targets: _focal(logits, targets, config.focal_gamma)
    if config.loss == "class_balanced":
        weight = _class_balanced(counts, config.balanced_beta)
        return lambda logits, targets: functional.cross_entropy(logits, targets, weight=weight)
    return functional.cross_entropy


def log_prior(counts: torch.Tensor) -> torch.Tensor:
    """Log prior of each class, counts smoothed by 1 (Menon 2021); unsmoothed, a rare class would swallow the rest."""
    smoothed = counts.float() + 1
    return torch.log(smoothed / smoothed.sum())


def balanced_draw(targets: torch.Tensor, counts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rows (n,) int64 of one epoch, each class equally likely."""
    weight = 1.0 / counts[targets].float()
    return torch.multinomial(weight, len(targets), replacement=True, generator=generator)


def _focal(logits: torch.Tensor, targets: torch.Tensor, gamma: float) -> torch.Tensor:
    """Focal loss (Lin 2017)."""
    log_p = functional.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()


def _class_balanced(counts: torch.Tensor, beta: float) -> torch.Tensor:
    """Weights by effective number of items, (1 - beta) / (1 - beta**n) (Cui 2019), with mean 1."""
    weight = (1 - beta) / (1 - beta ** counts.double())
    return (weight / weight.mean()).float()
