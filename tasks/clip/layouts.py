"""What weights are that another library wrote: named, with what to give instead."""

import json
import zipfile
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors import safe_open

from tasks.clip.folder import CONFIG_FILE

_TRANSFORMERS = (
    "is a checkpoint of Hugging Face transformers ({seen}), whose layout OpenCLIP does not read: give the same model "
    "as OpenCLIP has it (ViT-B-32/openai is openai/clip-vit-base-patch32), give hf-hub:ORG/NAME of a repository with "
    f"{CONFIG_FILE}, or convert it to OpenCLIP's names of tensors"
)
_SENTENCE_TRANSFORMERS = (
    "is a folder of sentence-transformers (modules.json), whose layout OpenCLIP does not read: give the model it was "
    "made from as OpenCLIP has it (ViT-B-32/openai is clip-ViT-B-32), or hf-hub:ORG/NAME of a repository with "
    f"{CONFIG_FILE}"
)
_TORCHSCRIPT = (
    "is a TorchScript archive, as OpenAI's own .pt files are: a program with its weights, and programs are not run "
    "here. Give OpenAI's weights by their tag (ViT-B-32/openai), or convert the file and give "
    "ARCH-quickgelu=weights.safetensors: safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in "
    "torch.jit.load(FILE, 'cpu').state_dict().items() if tensor.is_floating_point()}, 'weights.safetensors')"
)
_ADAPTER = (
    "holds an adapter ({seen}), a change to weights that are elsewhere: merge it into its base model, and give that in "
    "OpenCLIP's layout"
)


def foreign_layout(path: Path) -> str:
    """A sentence about a file or folder in another library's layout, which begins behind its name; "" for any other."""
    try:
        if path.is_dir():
            return _of_folder(path)
        return _TORCHSCRIPT if _is_torchscript(path) else _of_names(_names(path))
    except Exception:  # what cannot be read is not of a known layout; the caller has said why it did not load
        return ""


def _of_folder(folder: Path) -> str:
    if (folder / "modules.json").is_file():
        return _SENTENCE_TRANSFORMERS
    if (folder / "adapter_config.json").is_file():
        return _ADAPTER.format(seen="adapter_config.json")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = next(iter(config.get("architectures") or []), config.get("model_type"))
    return _TRANSFORMERS.format(seen=f"config.json of {kind}") if kind else ""


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())


def _names(path: Path) -> Collection[str]:
    """Names of the tensors in a file. No code of it is run."""
    if path.suffix == ".safetensors":
        with safe_open(str(path), "pt") as file:
            return list(file.keys())
    found = torch.load(path, map_location="meta", weights_only=True)
    return list(found.get("state_dict", found))


def _of_names(names: Collection[str]) -> str:
    if any(".lora_" in name or name.startswith("base_model.model.") for name in names):
        return _ADAPTER.format(seen="lora_ in the names of its tensors")
    seen = [part for part in ("text_model.", "vision_model.") if any(f".{part}" in f".{name}" for name in names)]
    return _TRANSFORMERS.format(seen=" and ".join(f"{part}*" for part in seen)) if seen else ""
