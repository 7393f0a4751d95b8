"""Pretrained weights from the package, an OpenCLIP tag, the hub, a folder, or a checkpoint file."""

import difflib
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from tasks.clip.download import TOKENIZER_FILES, fetch_hub_folder, fetch_tag
from tasks.clip.folder import CONFIG_FILE, count_parameters, first_line, load_model, require_finite_weights, save_model
from tasks.clip.layouts import foreign_layout
from tasks.schema.errors import ModelUnavailable

_SMALL = Path(__file__).parent / "configs" / "small.json"


def materialise(spec: str, out: Path, seed: int = 0) -> dict[str, Any]:
    """Write the model that ``spec`` names into ``out`` in OpenCLIP's local-dir layout; returns its card.

    Specs are listed at ``ModelConfig.pretrained``. ``seed``: for "small" only; the same seed, the same bytes.
    Card: name, spec, source, embed_dim, image_size, context_length, parameters, random_weights, weights_sha256.
    Raises ModelUnavailable: the weights are not available, are damaged, or do not fit the architecture.
    """
    spec = spec.strip()
    if spec == "small":
        source = f"random weights, seed {seed}"
        return _write(_random_model(seed), _read(_SMALL), out, name="small", spec=spec, source=source)
    if spec.startswith("hf-hub:"):
        return _from_folder(fetch_hub_folder(spec.removeprefix("hf-hub:")), out, spec, name=spec)
    if spec.startswith(("local-dir:", "/", ".", "~")) or Path(spec).is_dir():
        folder = Path(spec.removeprefix("local-dir:")).expanduser()
        return _from_folder(folder, out, spec, name=folder.resolve().name)
    if "=" in spec:
        return _from_file(spec, out)
    return _from_tag(spec, out)


def _random_model(seed: int) -> open_clip.CLIP:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.CLIP(**_read(_SMALL)["model_cfg"])


def _from_folder(folder: Path, out: Path, spec: str, name: str) -> dict[str, Any]:
    if not (folder / CONFIG_FILE).is_file() and (foreign := foreign_layout(folder)):
        raise ModelUnavailable(f"{folder} {foreign}")
    model, config = load_model(folder)
    card = _write(model, config, out, name=name, spec=spec, source=str(folder))
    for name in TOKENIZER_FILES:
        if (folder / name).is_file() and folder.resolve() != out.resolve():
            (out / name).write_bytes((folder / name).read_bytes())
    return card


def _from_file(spec: str, out: Path) -> dict[str, Any]:
    arch, _, name = spec.partition("=")
    arch, path = _known_arch(arch), Path(name)
    if not path.is_file():
        raise ModelUnavailable(f"{spec!r} names the file {path}, which is not there: give ARCH=/path/to/weights")
    model = _load_into(arch, path, {}, spec)
    config = {"model_cfg": open_clip.get_model_config(arch), "preprocess_cfg": {}}
    return _write(model, config, out, name=f"{arch}/{path.stem}", spec=spec, source=str(path))


def _from_tag(spec: str, out: Path) -> dict[str, Any]:
    arch, tag = _split_tag(spec)
    arch = _known_arch(arch, f"; hf-hub:{spec} if it is a repository of the hub" if spec.count("/") == 1 else "")
    settings = open_clip.get_pretrained_cfg(arch, tag)
    if not settings:
        tags = open_clip.list_pretrained_tags_by_model(arch)
        near = difflib.get_close_matches(tag, tags, n=3, cutoff=0.3) or tags
        raise ModelUnavailable(f"OpenCLIP has no weights {tag!r} for {arch}: it has {', '.join(near) or 'none'}")
    path = fetch_tag(f"{arch}/{tag}", settings)
    model = _load_into(arch, path, settings, spec)
    config = {"model_cfg": open_clip.get_model_config(arch), "preprocess_cfg": settings}
    if settings.get("quick_gelu"):
        config["model_cfg"]["quick_gelu"] = True
    return _write(model, config, out, name=f"{arch}/{tag}", spec=spec, source=str(path))


def _split_tag(spec: str) -> tuple[str, str]:
    separator = ":" if ":" in spec else "/"
    arch, found, tag = spec.rpartition(separator)
    if not found or not arch or not tag:
        raise ModelUnavailable(
            f"{spec!r} names no weights: give 'small', ARCH/TAG (ViT-B-32/laion2b_s34b_b79k), hf-hub:ORG/NAME, "
            "an existing folder, or ARCH=/path/to/weights.safetensors"
        )
    return arch.replace("/", "-"), tag


def _known_arch(arch: str, otherwise: str = "") -> str:
    names = open_clip.list_models()
    if arch in names:
        return arch
    lower = {name.lower(): name for name in names}
    near = [lower[name] for name in difflib.get_close_matches(arch.lower(), lower, n=5, cutoff=0.5)]
    hint = ", ".join(near) or "one that open_clip.list_models() names"
    raise ModelUnavailable(f"OpenCLIP knows no architecture {arch!r}: did you mean {hint}{otherwise}?")


def _load_into(arch: str, path: Path, settings: dict[str, Any], spec: str) -> open_clip.CLIP:
    """Weights of one file in the model ``arch``. open_clip unwraps ``state_dict`` and ``module.`` itself."""
    try:
        model = open_clip.create_model(
            arch,
            pretrained=str(path),
            # OpenAI's and LAION-400M's weights need it; open_clip only warns where it is missing.
            force_quick_gelu=bool(settings.get("quick_gelu")),
            require_pretrained=True,
            weights_only=True,
        )
    except Exception as error:
        if foreign := foreign_layout(path):
            raise ModelUnavailable(f"{path} {foreign}") from error
        raise ModelUnavailable(
            f"{path} does not load into {arch} ({spec!r}): {first_line(error)}. Expected a state dict of that "
            "architecture without pickled code; save other checkpoints as safetensors first"
        ) from error
    require_finite_weights(model, str(path))
    return model


def _write(
    model: open_clip.CLIP, config: dict[str, Any], out: Path, *, name: str, spec: str, source: str
) -> dict[str, Any]:
    model_cfg = deepcopy(config["model_cfg"])
    # The folder holds every weight: loading it must not download weights of a tower.
    if "timm_model_name" in model_cfg.get("vision_cfg", {}):
        model_cfg["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in model_cfg.get("text_cfg", {}):
        model_cfg["text_cfg"]["hf_model_pretrained"] = False
    preprocess = merge_preprocess_dict(PreprocessCfg(), config.get("preprocess_cfg", {}))
    preprocess["size"] = model_cfg["vision_cfg"]["image_size"]
    card = {
        "name": name,
        "spec": spec,
        "source": source,
        "embed_dim": model_cfg["embed_dim"],
        "image_size": model_cfg["vision_cfg"]["image_size"],
        "context_length": model_cfg["text_cfg"].get("context_length", 77),
        "parameters": count_parameters(model),
        "random_weights": spec == "small",
    }
    return save_model(model, {"model_cfg": model_cfg, "preprocess_cfg": preprocess, "card": card}, out)


def _read(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config
