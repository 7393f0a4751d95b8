"""Texts to features at the length they have: padding is most of what a text tower computes, and changes nothing."""

import copy

import open_clip
import torch


def text_features(model: torch.nn.Module, tokens: torch.Tensor, parts: int = 1) -> torch.Tensor:
    """float (n, dim), not normalised, of int (n, context length) tokens on the model's device.

    A query has about ten tokens of 77. A causal tower reads its answer at the end of the text and cannot look beyond,
    so what follows the longest text is cut off. Other towers get every token. ``parts``: texts of like length are
    computed together, in at most so many passes, where that costs less; gradients flow as through one.
    """
    if not reads_at_end(model):
        return model.encode_text(tokens)  # type: ignore[operator, no-any-return]
    ends = tokens.argmax(dim=-1).cpu()  # the end of a text has the highest number of the vocabulary
    if parts == 1:
        return _encode(model, tokens, ends)
    order = ends.argsort(stable=True)
    passes = _passes(ends[order] + 1, parts, tokens.device)
    encoded = [_encode(model, tokens[rows.to(tokens.device)], ends[rows]) for rows in order.chunk(passes)]
    return torch.cat(encoded)[order.argsort().to(tokens.device)]


def reads_at_end(model: torch.nn.Module) -> bool:
    """Whether the text tower is causal and takes its answer from the token of the highest number."""
    return isinstance(model, open_clip.CLIP) and model.text_pool_type == "argmax" and model.attn_mask is not None


def _passes(lengths: torch.Tensor, most: int, device: torch.device) -> int:
    """Number of passes, at most ``most``, in which texts of these ``lengths`` (int (n,), rising) cost least."""
    # In tokens: a pass takes the weights and their gradients through memory once more (measured on a CPU), or starts
    # its kernels (estimated for a GPU).
    price = 64 if device.type == "cpu" else 4096

    def cost(parts: int) -> int:
        return price * parts + sum(len(part) * int(part[-1]) for part in lengths.chunk(parts))

    return min(range(1, most + 1), key=cost)


def _encode(model: torch.nn.Module, tokens: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    length = int(ends.max()) + 1
    return _shortened(model, length).encode_text(tokens[:, :length])  # type: ignore[operator, no-any-return]


def _shortened(model: torch.nn.Module, length: int) -> torch.nn.Module:
    """The same model and weights, its text tower ``length`` tokens long. ``model`` itself may be used meanwhile."""
    shorter = copy.copy(model)
    positions = model.positional_embedding[:length]  # type: ignore[index]
    shorter._parameters = {**model._parameters, "positional_embedding": positions}  # type: ignore[dict-item]
    shorter._buffers = {**model._buffers, "attn_mask": model.attn_mask[:length, :length]}  # type: ignore[index]
    return shorter
