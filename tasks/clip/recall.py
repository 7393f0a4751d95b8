"""Recall of the model during training on the val split, to choose a checkpoint."""

import numpy as np
import open_clip
import torch
from torch.nn.functional import normalize

from tasks.clip.augment import PixelCache
from tasks.clip.device import FloatFormat, autocast
from tasks.clip.images import PixelReader
from tasks.clip.texts import text_features


@torch.inference_mode()
def measure_recall(
    model: open_clip.CLIP,
    cache: PixelCache,
    reader: PixelReader,
    tokens: torch.Tensor,
    precision: FloatFormat,
    chunk: int = 256,
) -> dict[str, float]:
    """Recall@1 and recall@10 of each direction; only an item's own image or title is right.

    ``cache`` and ``tokens`` (int64 (n, context)) are aligned. The model's mode is restored.
    """
    training, device = model.training, next(model.parameters()).device
    model.eval()
    images, texts = [], []
    for start in range(0, len(tokens), chunk):
        pixels = cache.pixels(np.arange(start, min(start + chunk, len(tokens))))
        with autocast(precision, device):
            seen = reader.tensor(torch.from_numpy(pixels).to(device))
            images.append(normalize(model.encode_image(seen).float(), dim=-1))
            texts.append(normalize(text_features(model, tokens[start : start + chunk].to(device)).float(), dim=-1))
    model.train(training)
    scores = torch.cat(texts) @ torch.cat(images).t()
    return {
        "text_to_image_recall@1": _recall(scores, 1),
        "text_to_image_recall@10": _recall(scores, 10),
        "image_to_text_recall@1": _recall(scores.t(), 1),
        "image_to_text_recall@10": _recall(scores.t(), 10),
    }


def _recall(scores: torch.Tensor, k: int) -> float:
    """Share of rows whose diagonal is among the k best. Ties count against it, so that a collapsed model scores 0."""
    rank = (scores >= scores.diagonal()[:, None]).sum(1)
    return float((rank <= k).float().mean())
