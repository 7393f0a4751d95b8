"""Text features without padding, which takes most of a text tower's time and does not change the result."""

import copy

import open_clip
import torch


def text_features(model: torch.nn.Module, tokens: torch.Tensor, parts: int = 1) -> torch.Tensor:
    """Features, float (n, dim), not normalised, of tokens int (n, context length) on the model's device.

    A query has about ten tokens of 77. A causal tower takes the feature at the end of a text and ignores what follows,
    so all tokens after the longest text are cut off; other towers get every token. ``parts``: largest number of passes,
    each for texts of similar length, used where that is cheaper; gradients are the same.
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
    """Whether the text tower is causal and takes the feature of the token with the highest number."""
    return isinstance(model, open_clip.CLIP) and model.text_pool_type == "argmax" and model.attn_mask is not None


def _passes(lengths: torch.Tensor, most: int, device: torch.device) -> int:
    """FloatFormat of passes, at most ``most``, in which texts of these ``lengths`` (int (n,), rising) cost least."""
    # Cost of a pass in tokens: reading weights and gradients from memory (measured on a CPU), or starting kernels
    # (estimated for a GPU).
    price = 64 if device.type == "cpu" else 4096

    def cost(parts: int) -> int:
        return price * parts + sum(len(part) * int(part[-1]) for part in lengths.chunk(parts))

    return min(range(1, most + 1), key=cost)


def _encode(model: torch.nn.Module, tokens: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    length = int(ends.max()) + 1
    return _shortened(model, length).encode_text(tokens[:, :length])  # type: ignore[operator, no-any-return]


def _shortened(model: torch.nn.Module, length: int) -> torch.nn.Module:
    """A view of the model with a context of ``length`` tokens. ``model`` itself is not changed."""
    shorter = copy.copy(model)
    positions = model.positional_embedding[:length]  # type: ignore[index]
    shorter._parameters = {**model._parameters, "positional_embedding": positions}  # type: ignore[dict-item]
    shorter._buffers = {**model._buffers, "attn_mask": model.attn_mask[:length, :length]}  # type: ignore[index]
    return shorter
