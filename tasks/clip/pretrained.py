"""Weights from wherever they are: bundled, an OpenCLIP tag, the hub, a folder, or a checkpoint file."""

import difflib
import json
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg

from tasks.clip.download import fetch_hub_folder, fetch_tag
from tasks.clip.folder import count_parameters, first_line, load_model, refuse_nonfinite, save_model
from tasks.schema.errors import ModelUnavailable

_SMALL = Path(__file__).parent / "configs" / "small.json"
#: Kept in the written folder, because a text tower from the hub reads its words from there.
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "merges.txt",
                    "vocab.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")  # fmt: skip


def materialise(spec: str, out: Path, seed: int = 0) -> dict[str, Any]:
    """Write the model that ``spec`` names into ``out`` in OpenCLIP's local-dir layout; returns its card.

    Specs are listed at ``ModelConfig.pretrained``. ``seed`` matters for "small" only: same seed, same bytes.
    Card: name, spec, source, embed_dim, image_size, context_length, parameters, random_weights, weights_sha256.
    Raises ModelUnavailable: the weights cannot be had, are damaged, or do not fit the architecture.
    """
    spec = spec.strip()
    if spec == "small":
        return _write(_random_model(_SMALL, seed), _read(_SMALL), out, name="small", spec=spec, source=f"random weights, seed {seed}")
    if spec.startswith("hf-hub:"):
        return _from_folder(fetch_hub_folder(spec.removeprefix("hf-hub:")), out, spec)
    if spec.startswith("local-dir:") or Path(spec).is_dir():
        return _from_folder(Path(spec.removeprefix("local-dir:")), out, spec)
    if "=" in spec:
        return _from_file(spec, out)
    return _from_tag(spec, out)


def _random_model(config_file: Path, seed: int) -> torch.nn.Module:
    config = _read(config_file)["model_cfg"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.CLIP(**config)


def _from_folder(folder: Path, out: Path, spec: str) -> dict[str, Any]:
    model, config = load_model(folder)
    card = _write(model, config, out, name=folder.resolve().name if "hub" not in spec else spec, spec=spec, source=str(folder))
    for name in _TOKENIZER_FILES:
        if (folder / name).is_file() and folder.resolve() != out.resolve():
            (out / name).write_bytes((folder / name).read_bytes())
    return card


def _from_file(spec: str, out: Path) -> dict[str, Any]:
    arch, _, name = spec.partition("=")
    arch, path = _known_arch(arch), Path(name)
    if not path.is_file():
        raise ModelUnavailable(f"{spec!r} names the file {path}, which is not there: give ARCH=/path/to/weights.safetensors")
    model = _load_into(arch, path, {}, spec)
    config = {"model_cfg": open_clip.get_model_config(arch), "preprocess_cfg": {}}
    return _write(model, config, out, name=f"{arch}/{path.stem}", spec=spec, source=str(path))


def _from_tag(spec: str, out: Path) -> dict[str, Any]:
    arch, tag = _split_tag(spec)
    arch = _known_arch(arch)
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


def _known_arch(arch: str) -> str:
    names = open_clip.list_models()
    if arch in names:
        return arch
    lower = {name.lower(): name for name in names}
    near = [lower[name] for name in difflib.get_close_matches(arch.lower(), lower, n=5, cutoff=0.5)]
    raise ModelUnavailable(f"OpenCLIP knows no architecture {arch!r}: did you mean {', '.join(near) or 'one of ' + str(names[:9])}?")


def _load_into(arch: str, path: Path, settings: dict[str, Any], spec: str) -> torch.nn.Module:
    """Weights of one file in the model ``arch``. open_clip unwraps ``state_dict`` and ``module.`` itself."""
    try:
        model = open_clip.create_model(
            arch,
            pretrained=str(path),
            force_quick_gelu=bool(settings.get("quick_gelu")),  # OpenAI's and LAION-400M's weights need it; a tag only warns
            force_preprocess_cfg={key: value for key, value in settings.items() if key in asdict(PreprocessCfg())},
            require_pretrained=True,
            weights_only=True,
        )
    except Exception as error:
        raise ModelUnavailable(
            f"{path} does not load into {arch} ({spec!r}): {first_line(error)}. Expected a state dict of that architecture "
            "without pickled code; save other checkpoints as safetensors first"
        ) from error
    refuse_nonfinite(model, str(path))
    return model


def _write(model: torch.nn.Module, config: dict[str, Any], out: Path, *, name: str, spec: str, source: str) -> dict[str, Any]:
    model_cfg = deepcopy(config["model_cfg"])
    # The folder carries every weight: nothing may be fetched for a tower when it is loaded again.
    if "timm_model_name" in model_cfg.get("vision_cfg", {}):
        model_cfg["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in model_cfg.get("text_cfg", {}):
        model_cfg["text_cfg"]["hf_model_pretrained"] = False
    preprocess = asdict(PreprocessCfg()) | {key: value for key, value in config.get("preprocess_cfg", {}).items() if key in asdict(PreprocessCfg())}
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
    return json.loads(path.read_text(encoding="utf-8"))
