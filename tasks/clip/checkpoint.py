"""Checkpoints of a training run: weights, optimiser state, best weights and log, as safetensors and JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tasks.clip.folder import save_tensors
from tasks.schema.errors import ArtifactCorrupt, ConfigError

_FORMAT = 2  # 2: the token table has only the rows that the run reads


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back: step, best weights so far (None before the first evaluation), and log."""

    step: int
    best: dict[str, torch.Tensor] | None
    log: dict[str, Any]


def write_checkpoint(
    folder: Path,
    *,
    step: int,
    fingerprint: dict[str, Any],
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, torch.Tensor] | None,
    log: dict[str, Any],
) -> None:
    """Write a run after ``step`` steps. ``fingerprint`` identifies its inputs when it is resumed."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(model.state_dict(), folder / "model.safetensors")
    save_tensors(_optimizer_tensors(optimizer), folder / "optimizer.safetensors")
    if best is not None:
        save_tensors(best, folder / "best.safetensors")
    state = {"format": _FORMAT, "step": step, "fingerprint": fingerprint, "has_best": best is not None, "log": log}
    (folder / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")  # last: without it, no checkpoint


def read_checkpoint(
    folder: Path, *, fingerprint: dict[str, Any], model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> Checkpoint:
    """Load a run into ``model`` and ``optimizer``. Raises ConfigError (other inputs), ArtifactCorrupt (incomplete)."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state["format"] != _FORMAT:
            raise ConfigError(
                f"{folder} is a checkpoint of format {state['format']}, expected {_FORMAT}: start without it"
            )
        _require_same_work(folder, state["fingerprint"], fingerprint)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        _restore_optimizer(optimizer, load_file(folder / "optimizer.safetensors"))
        best = load_file(folder / "best.safetensors") if state["has_best"] else None
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise ArtifactCorrupt(f"the checkpoint {folder} cannot be read ({error}): start without it") from error
    return Checkpoint(step=state["step"], best=best, log=state["log"])


def _require_same_work(folder: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    expected = json.loads(json.dumps(expected))
    differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    if differing:
        changes = "; ".join(f"{key}: checkpoint {found.get(key)!r}, run {expected.get(key)!r}" for key in differing)
        raise ConfigError(f"{folder} belongs to other work ({changes}): start without it, or with its own settings")


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    tensors = {}
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{key}/{name}"] = value
    return tensors


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            if f"step/{name}" not in tensors:  # the loss does not reach it: SigLIP's bias
                continue
            state = {"step": tensors[f"step/{name}"]}
            for key in ("exp_avg", "exp_avg_sq"):
                # The fused optimiser walks memory: a moment needs the memory format of its parameter (channels_last).
                state[key] = torch.empty_like(parameter).copy_(tensors[f"{key}/{name}"])
            state["step"] = state["step"].to(parameter.device)
            optimizer.state[parameter] = state
