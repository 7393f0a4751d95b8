"""The contrastive loss with soft targets."""

import torch
from torch.nn.functional import log_softmax


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, positives: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Symmetric softmax cross-entropy of unit vectors (n, dim) under targets that share their mass among positives.

    ``positives``: bool (n, n), [i, j] true where text i fits image j; the diagonal is true. ``scale``: the softmax
    scale. With only the diagonal and no smoothing it is CLIP's own loss (Radford et al. 2021); soft targets as in
    UniCL (Yang et al. 2022).
    """
    logits = scale.float() * texts.float() @ images.float().t()
    mass = positives.float()
    to_images = soft_targets(mass, smoothing)
    to_texts = soft_targets(mass.t(), smoothing)
    text_loss = -(to_images * log_softmax(logits, dim=1)).sum(1).mean()
    image_loss = -(to_texts * log_softmax(logits.t(), dim=1)).sum(1).mean()
    return (text_loss + image_loss) / 2


def soft_targets(mass: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Rows that sum to 1: equal shares for the positives, with ``smoothing`` of the mass spread over the whole row."""
    shares = mass / mass.sum(1, keepdim=True)
    return shares * (1 - smoothing) + smoothing / mass.shape[1]


def positive_pairs(rule: str, chosen: torch.Tensor, captions: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Whether text i fits image j by ``FinetuneConfig.positives``, bool (n, n).

    ``chosen``: int64 (n,), the caption used for each item. ``captions``: int64 (n, kinds), every caption of each item,
    -1 for none. ``groups``: int64 (n,).
    """
    own = torch.eye(len(chosen), dtype=torch.bool, device=chosen.device)
    if rule == "own":
        return own
    # "red sofa" fits every red sofa in the batch, whichever caption is used for that item.
    same = own | (captions[None, :, :] == chosen[:, None, None]).any(-1)
    if rule == "group":
        same = same | (groups[:, None] == groups[None, :])
    return same
