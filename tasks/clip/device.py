"""The device to compute on, and whether bfloat16 is faster there."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    import open_clip  # its import takes seconds, and planning shards needs only the device

Precision = Literal["auto", "bf16", "fp32"]
FloatFormat = Literal["bf16", "fp32"]


def choose_device(device: str = "auto") -> torch.device:
    """``auto``: the first GPU where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def native_bf16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bfloat16 in hardware; emulation on older CPUs is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, hence the guard
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def choose_precision(precision: Precision, device: torch.device) -> FloatFormat:
    """``auto``: bf16 where it is native, else fp32."""
    if precision == "auto":
        return "bf16" if native_bf16(device) else "fp32"
    return precision


def autocast(precision: FloatFormat, device: torch.device) -> AbstractContextManager[object]:
    """Context in which matrix products run in ``precision``."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def prefers_channels_last(model: "open_clip.CLIP") -> bool:
    """Whether the image tower is convolutional; a vision transformer has one patch convolution and gains nothing."""
    return sum(isinstance(module, torch.nn.Conv2d) for module in model.visual.modules()) > 2
