"""Two releases asked the same, among the products that both show: so that only the answers differ, not the shelves."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tasks.retrieval.search import Searcher

TOP_K = 10


@dataclass(frozen=True)
class Served:
    """An index as it is served; row i of it is product ``item_ids[i]``."""

    searcher: Searcher
    item_ids: list[str]


class SharedProducts:
    """The products that two releases both show, each with the key it is recognised by.

    The key is the image in the live release: products that share an image score alike there, in any order. An image
    that replaced many (a placeholder) is not mistaken for all of them.
    """

    def __init__(self, live: Served, new: Served, live_images: list[str], hidden: Collection[str]) -> None:
        self.ids = (set(live.item_ids) & set(new.item_ids)) - set(hidden)
        self._key = dict(zip(live.item_ids, live_images, strict=True))
        self._sides = [(side, _mask(side.item_ids, self.ids)) for side in (live, new)]

    def answers(self, live_queries: np.ndarray, new_queries: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
        """First 10 item ids per query of the live and of the new release; each (q, d) of its own model."""
        live, new = (
            _answers(side, allowed, queries)
            for (side, allowed), queries in zip(self._sides, (live_queries, new_queries), strict=True)
        )
        return live, new

    def finds(self, answers: list[list[str]], wanted: list[str]) -> np.ndarray:
        """(q,) bool: product ``wanted[i]``, or one with the same key, is among ``answers[i]``."""
        found = [
            self._key[item] in {self._key[hit] for hit in hits} for hits, item in zip(answers, wanted, strict=True)
        ]
        return np.array(found, dtype=bool)

    def overlap(self, live: list[list[str]], new: list[list[str]]) -> np.ndarray:
        """(q,) share of the live answers that are among the new ones, by key."""
        keys = ((Counter(self._key[hit] for hit in hits) for hits in side) for side in (live, new))
        return np.array(
            [(before & after).total() / max(before.total(), 1) for before, after in zip(*keys, strict=True)]
        )


def top_answers(side: Served, queries: np.ndarray, hidden: Collection[str] = ()) -> list[list[str]]:
    """First 10 item ids per query among everything that ``side`` shows."""
    return _answers(side, ~_mask(side.item_ids, set(hidden)) if hidden else None, queries)


def _answers(side: Served, allowed: np.ndarray | None, queries: np.ndarray) -> list[list[str]]:
    _, rows = side.searcher.search(queries, TOP_K, allowed)
    return [[side.item_ids[row] for row in hits if row >= 0] for hits in rows.tolist()]


def _mask(item_ids: list[str], chosen: set[str]) -> np.ndarray:
    return np.fromiter((item in chosen for item in item_ids), bool, len(item_ids))
