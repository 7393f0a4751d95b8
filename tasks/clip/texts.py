"""Texts to features at the length they have: padding is most of what a text tower computes, and changes nothing."""

import copy

import open_clip
import torch


def text_features(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """float (n, dim), not normalised, of int (n, context length) tokens on the model's device.

    A query has about ten tokens of 77. A causal tower reads its answer at the end of the text and cannot look beyond,
    so what follows the longest text of the batch is cut off. Other towers get every token.
    """
    if not _ends_early(model):
        return model.encode_text(tokens)  # type: ignore[operator, no-any-return]
    length = int(tokens.argmax(dim=-1).max()) + 1  # the end of a text has the highest number of the vocabulary
    return _shortened(model, length).encode_text(tokens[:, :length])  # type: ignore[operator, no-any-return]


def _ends_early(model: torch.nn.Module) -> bool:
    return isinstance(model, open_clip.CLIP) and model.text_pool_type == "argmax" and model.attn_mask is not None


def _shortened(model: torch.nn.Module, length: int) -> torch.nn.Module:
    """The same model and weights, its text tower ``length`` tokens long. ``model`` itself may be used meanwhile."""
    shorter = copy.copy(model)
    positions = torch.nn.Parameter(model.positional_embedding[:length], requires_grad=False)  # type: ignore[index]
    shorter._parameters = {**model._parameters, "positional_embedding": positions}
    shorter._buffers = {**model._buffers, "attn_mask": model.attn_mask[:length, :length]}  # type: ignore[index]
    return shorter
