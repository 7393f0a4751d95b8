"""The optimiser of a run, its number of steps and the learning rate of each."""

import math
from typing import Any

import torch

from tasks.clip.config import Recipe
from tasks.schema.errors import ConfigError


def plan_steps(recipe: Recipe, items: int) -> tuple[int, int]:
    """Batch size (no larger than the data) and number of steps. Raises ConfigError on too few items."""
    if items < 2:
        raise ConfigError(
            f"{items} training items: contrastive training needs at least 2, and hundreds to be of use. Give a larger "
            "catalogue, or serve the pretrained model as it is: the pipeline does, also with --no-fine_tune"
        )
    batch_size = min(recipe.batch_size, items)
    batch_size -= batch_size % recipe.accumulate
    if batch_size < 2 * recipe.accumulate:
        raise ConfigError(f"{items} items cannot be cut into {recipe.accumulate} pieces of 2 pairs: lower accumulate")
    if recipe.steps is not None:
        return batch_size, recipe.steps
    assert recipe.epochs is not None
    return batch_size, max(1, round(recipe.epochs * (items // batch_size)))


def evenly_spaced(steps: int, count: int) -> set[int]:
    """At most ``count`` evenly spaced steps of 1 to ``steps``, including the last."""
    count = min(count, steps)
    return {round(steps * (place + 1) / count) for place in range(count)}


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Rate of step ``step`` (from 0): a linear rise over the warm-up, then a cosine down to 0 at ``steps``."""
    warmup = round(recipe.warmup_share * steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def parameter_groups(model: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Groups "decay" (matrices), "plain" (norms, biases, embeddings) and "scale" (temperature), with a rate factor."""
    groups: dict[str, list[tuple[str, torch.nn.Parameter]]] = {"decay": [], "plain": [], "scale": []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name in ("logit_scale", "logit_bias"):
            kind = "scale"
        elif parameter.ndim < 2 or "embedding" in name or "pos_embed" in name or "cls_token" in name:
            kind = "plain"
        else:
            kind = "decay"
        groups[kind].append((name, parameter))
    return [
        {
            "name": kind,
            "names": [name for name, _ in members],
            "params": [parameter for _, parameter in members],
            "weight_decay": recipe.weight_decay if kind == "decay" else 0.0,
            "rate": recipe.logit_scale_rate if kind == "scale" else 1.0,
        }
        for kind, members in groups.items()
        if members
    ]


def make_optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with CLIP's epsilon, its groups named so that a checkpoint can be read by name."""
    groups = parameter_groups(model, recipe)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, recipe.beta2), eps=1e-6, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of this step in every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
