"""A stored model for others: as a repository of the Hugging Face hub, and as the original project's checkpoint."""

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file

from tasks.clip.download import TOKENIZER_FILES
from tasks.clip.folder import CONFIG_FILE, WEIGHTS_FILE, read_config


def write_hub_folder(model: Path, out: Path) -> None:
    """Write what open_clip loads as ``local-dir:`` and, once it is uploaded, as ``hf-hub:``. Raises ModelUnavailable.

    The config has OpenCLIP's own parts only: the stored one also names files of the machine that made it.
    """
    config = read_config(model)
    public = {name: config[name] for name in ("model_cfg", "preprocess_cfg") if name in config}
    (out / CONFIG_FILE).write_text(json.dumps(public, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in (WEIGHTS_FILE, *TOKENIZER_FILES):
        if (model / name).is_file():
            shutil.copyfile(model / name, out / name)


def save_checkpoint(model: Path, path: Path, facts: dict[str, Any]) -> None:
    """Write the weights as a .pt that ``torch.load(weights_only=True)`` reads, with ``facts`` beside them.

    Under "model_state", where the original project looks, and "state_dict", where open_clip does: one copy in the file.
    """
    state = load_file(model / WEIGHTS_FILE)
    torch.save({"model_state": state, "state_dict": state, **facts}, path)


def base_model(spec: str) -> str | None:
    """Hub id of the weights that ``spec`` (a card's) names; None where it names none there."""
    if spec.startswith("hf-hub:"):
        return spec.removeprefix("hf-hub:").partition("@")[0]
    arch, _, tag = spec.replace(":", "/").rpartition("/")
    found = open_clip.get_pretrained_cfg(arch, tag).get("hf_hub", "")
    return "/".join(found.split("/")[:2]) or None
