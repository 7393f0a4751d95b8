"""The gradient of one contrastive batch, at once or in pieces that share the negatives of the whole batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import open_clip
import torch
from torch.nn.functional import normalize

from tasks.clip.device import FloatFormat, autocast
from tasks.clip.losses import contrastive_loss
from tasks.clip.texts import text_features

_LENGTHS = 4  # passes of the text tower, each as long as its longest text: a title has ten times the tokens of a type


@dataclass(frozen=True)
class Batch:
    """Inputs of a step. images: float (n, 3, h, w), normalised. tokens: int64 (n, context). positives: bool (n, n)."""

    images: torch.Tensor
    tokens: torch.Tensor
    positives: torch.Tensor


def backward(
    model: open_clip.CLIP, batch: Batch, *, accumulate: int, smoothing: float, precision: FloatFormat, seed: int
) -> torch.Tensor:
    """Add the gradient of the batch's loss to the parameters; returns the detached loss.

    With ``accumulate`` > 1 this is GradCache (Gao et al. 2021, open_clip's ``--accum-freq``): features of every piece
    first without a graph, the loss and its gradient on all of them, then each piece again with a graph. The result is
    the whole batch's gradient, except through batch-norm statistics, which are a piece's own.
    """
    encode = _encoder(model, precision, seed)
    pieces = list(zip(batch.images.chunk(accumulate), batch.tokens.chunk(accumulate), strict=True))
    if accumulate == 1:
        images, texts = encode(*pieces[0], 0)
        loss = contrastive_loss(images, texts, _scale(model), batch.positives, smoothing)
        loss.backward()
        return loss.detach()
    with torch.no_grad(), _statistics_kept(model):
        cached = [encode(*piece, place) for place, piece in enumerate(pieces)]
    images = torch.cat([pair[0] for pair in cached]).requires_grad_()
    texts = torch.cat([pair[1] for pair in cached]).requires_grad_()
    loss = contrastive_loss(images, texts, _scale(model), batch.positives, smoothing)
    loss.backward()
    assert images.grad is not None
    assert texts.grad is not None
    for place, (piece, to_images, to_texts) in enumerate(
        zip(pieces, images.grad.chunk(accumulate), texts.grad.chunk(accumulate), strict=True)
    ):
        part_images, part_texts = encode(*piece, place)
        torch.autograd.backward([part_images, part_texts], [to_images, to_texts])
    return loss.detach()


def _encoder(
    model: open_clip.CLIP, precision: FloatFormat, seed: int
) -> Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]:
    def encode(images: torch.Tensor, tokens: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(seed + place)  # dropout must be the same in both passes and after a resume
        with autocast(precision, images.device):
            seen = model.encode_image(images)
            words = text_features(model, tokens, parts=_LENGTHS)
        return normalize(seen.float(), dim=-1), normalize(words.float(), dim=-1)

    return encode


def _scale(model: open_clip.CLIP) -> torch.Tensor:
    scale: torch.Tensor = model.logit_scale.exp()
    return scale


@contextmanager
def _statistics_kept(model: torch.nn.Module) -> Iterator[None]:
    """Batch-norm layers compute as in training but do not update their statistics, so no image counts twice."""
    layers = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
