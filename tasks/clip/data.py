"""Training data: captions, images, and their order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.clip.config import CaptionShares
from tasks.schema.errors import ConfigError


@dataclass(frozen=True)
class TrainingData:
    """Items of one split, aligned: ``captions[i]`` (kind -> words), ``images[i]`` (encoded image), ``groups[i]``."""

    captions: list[dict[str, str]]
    images: Sequence[bytes]
    groups: list[str]

    def __post_init__(self) -> None:
        sizes = {"captions": len(self.captions), "images": len(self.images), "groups": len(self.groups)}
        if len(set(sizes.values())) != 1:
            raise ConfigError(f"captions, images and groups must be aligned, found lengths {sizes}")
        bare = [row for row, kinds in enumerate(self.captions) if not any(text.strip() for text in kinds.values())]
        if bare:
            raise ConfigError(f"{len(bare)} items have no caption, first at row {bare[0]}: each needs at least a title")

    def __len__(self) -> int:
        return len(self.captions)


class CaptionTable:
    """The distinct captions, and the captions of each item.

    ``texts``: distinct captions. ``ids``: int64 (items, kinds), row of the caption in ``texts`` or -1.
    ``shares``: float64 (items, kinds), the chance of each kind for that item; rows sum to 1.
    """

    def __init__(self, captions: list[dict[str, str]], shares: CaptionShares) -> None:
        chances = shares.model_dump()
        self.kinds = list(chances)
        rows: dict[str, int] = {}
        self.ids = np.full((len(captions), len(self.kinds)), -1, dtype=np.int64)
        for item, texts in enumerate(captions):
            for column, kind in enumerate(self.kinds):
                text = texts.get(kind, "").strip()
                if text:
                    self.ids[item, column] = rows.setdefault(text, len(rows))
        self.texts = list(rows)
        weights = np.where(self.ids >= 0, np.array([chances[kind] for kind in self.kinds]), 0.0)
        bare = weights.sum(1) == 0  # an item that only has kinds with share 0 uses any of them
        weights[bare] = (self.ids[bare] >= 0).astype(float)
        if (weights.sum(1) == 0).any():
            row = int(np.flatnonzero(weights.sum(1) == 0)[0])
            raise ConfigError(
                f"item {row} has no caption of a known kind: found {sorted(captions[row])}, expected {self.kinds}"
            )
        self.shares = weights / weights.sum(1, keepdims=True)

    def choose(self, items: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """A random caption for each item: rows of ``texts``, int64 (n,)."""
        columns = (random.random((len(items), 1)) >= self.shares[items].cumsum(1)).sum(1)
        # Rounding may leave the cumulated share slightly below 1: fall back to the last kind the item has.
        last = len(self.kinds) - 1 - (self.shares[items, ::-1] > 0).argmax(1)
        rows: np.ndarray = self.ids[items, np.minimum(columns, last)]
        return rows


def titles(captions: list[dict[str, str]]) -> list[str]:
    """The caption each item is measured with: its title, else the first caption it has."""
    return [kinds.get("title") or next(text for text in kinds.values() if text.strip()) for kinds in captions]


def batch_items(size: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """The items of batch ``step`` (from 0), int64 (batch_size,); a pure function of its arguments.

    Each epoch is one permutation cut into whole batches; the rest of an epoch is left out, so that no batch is
    shorter (its negatives would be fewer) or holds an item twice.
    """
    each = size // batch_size
    epoch, place = divmod(step, each)
    order = np.random.default_rng((seed, 1, epoch)).permutation(size)
    return order[place * batch_size : (place + 1) * batch_size]
