"""Model folders, in the layout that open_clip loads as ``local-dir:``."""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from tasks.schema.errors import ModelUnavailable

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"

log = logging.getLogger(__name__)


def load_model(folder: Path, image_size: int | None = None) -> tuple[open_clip.CLIP, dict[str, Any]]:
    """Model in eval mode, fp32, on the CPU, and the folder's whole config. Raises ModelUnavailable.

    ``image_size``: side of the images in pixels if not the model's own; position embeddings are interpolated.
    """
    config = read_config(folder)
    if image_size is not None:
        config["model_cfg"]["vision_cfg"]["image_size"] = image_size
        config.setdefault("preprocess_cfg", {})["size"] = image_size
        config.setdefault("card", {})["image_size"] = image_size
    if not any(entry.suffix in (".safetensors", ".bin", ".pth") for entry in folder.iterdir()):
        raise ModelUnavailable(f"{folder} holds no weights: expected {WEIGHTS_FILE} beside {CONFIG_FILE}")
    try:
        # require_pretrained: otherwise open_clip uses random weights where they are missing, and only logs it.
        model = open_clip.create_model(
            f"local-dir:{folder}", require_pretrained=True, weights_only=True, force_image_size=image_size
        )
    except Exception as error:
        raise ModelUnavailable(f"the weights in {folder} do not load into its model: {first_line(error)}") from error
    require_finite_weights(model, str(folder))
    return model.eval(), config


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's ``open_clip_config.json`` with ``model_cfg`` and ``preprocess_cfg``. Raises ModelUnavailable."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        found = sorted(entry.name for entry in folder.iterdir())[:8] if folder.is_dir() else "no such folder"
        raise ModelUnavailable(f"{folder} is no model folder: it lacks {CONFIG_FILE} (found: {found})")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelUnavailable(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise ModelUnavailable(f"{path} has no model_cfg: expected OpenCLIP's own layout")
    return config


def save_model(model: torch.nn.Module, config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write ``model`` and ``config`` into ``folder``; returns the card with the weights' sha256 filled in."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(model.state_dict(), folder / WEIGHTS_FILE)
    card = {**config.get("card", {}), "weights_sha256": _sha256(folder / WEIGHTS_FILE)}
    text = json.dumps({**config, "card": card}, indent=2, ensure_ascii=False)
    _write_atomic(folder / CONFIG_FILE, text.encode())
    return card


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write ``tensors`` as safetensors, atomically. Tied and strided tensors become contiguous copies."""
    # safetensors refuses tensors that share memory, and writes strides as if contiguous.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    partial = path.with_name(path.name + ".partial")
    save_file(plain, str(partial))
    partial.chmod(0o644)
    os.replace(partial, path)


def require_finite_weights(model: torch.nn.Module, source: str) -> None:
    """Raise ModelUnavailable where a weight is NaN or infinite."""
    bad = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if bad:
        raise ModelUnavailable(f"{source} is damaged: {len(bad)} tensors hold NaN or infinity, first {bad[0]!r}")


def input_size(model: open_clip.CLIP) -> tuple[int, int]:
    """Height and width in pixels of the images the model expects."""
    size = model.visual.image_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def count_parameters(model: torch.nn.Module) -> int:
    """FloatFormat of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 300 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_atomic(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
