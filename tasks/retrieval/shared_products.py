"""Compare the answers of two releases to the same queries, among the products that both contain."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from tasks.retrieval.search import Searcher

TOP_K = 10


@dataclass(frozen=True)
class ProductIndex:
    """An open index whose row i is product ``item_ids[i]``."""

    searcher: Searcher
    item_ids: list[str]


class SharedProducts:
    """The products in both of two releases, each identified by a key.

    The key is the image in the live release, because products with the same image have the same score there and come in
    any order. Not the new image: one placeholder may have replaced the images of many products.
    """

    def __init__(self, live: ProductIndex, new: ProductIndex, live_images: list[str], hidden: Collection[str]) -> None:
        self.ids = (set(live.item_ids) & set(new.item_ids)) - set(hidden)
        self._key = dict(zip(live.item_ids, live_images, strict=True))
        self._sides = [(side, _mask(side.item_ids, self.ids)) for side in (live, new)]

    def answers(self, live_queries: np.ndarray, new_queries: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
        """First 10 item ids per query of both releases. Queries: (q, d), encoded by the release's own model."""
        live, new = (
            _answers(side, allowed, queries)
            for (side, allowed), queries in zip(self._sides, (live_queries, new_queries), strict=True)
        )
        return live, new

    def finds(
        self, answers: list[list[str]], wanted: list[str], names: Callable[[str], Collection[str]] = lambda item: ()
    ) -> np.ndarray:
        """Whether product ``wanted[i]``, or one that is as right an answer, is among ``answers[i]``: (q,) bool.

        As right is one with the same key, or with one of the same ``names``: an item's title and design.
        """

        def known_by(item: str) -> set[str]:
            return {f"key {self._key[item]}", *names(item)}

        pairs = zip(answers, wanted, strict=True)
        found = [any(known_by(item) & known_by(hit) for hit in hits) for hits, item in pairs]
        return np.array(found, dtype=bool)

    def overlap(self, live: list[list[str]], new: list[list[str]]) -> np.ndarray:
        """Share of each query's live answers that are among the new ones, by key: (q,) float64."""
        keys = ((Counter(self._key[hit] for hit in hits) for hits in side) for side in (live, new))
        return np.array(
            [(before & after).total() / max(before.total(), 1) for before, after in zip(*keys, strict=True)]
        )


def top_answers(side: ProductIndex, queries: np.ndarray, hidden: Collection[str] = ()) -> list[list[str]]:
    """First 10 item ids per query among all products of ``side`` that are not ``hidden``."""
    return _answers(side, ~_mask(side.item_ids, set(hidden)) if hidden else None, queries)


def _answers(side: ProductIndex, allowed: np.ndarray | None, queries: np.ndarray) -> list[list[str]]:
    _, rows = side.searcher.search(queries, TOP_K, allowed)
    return [[side.item_ids[row] for row in hits if row >= 0] for hits in rows.tolist()]


def _mask(item_ids: list[str], chosen: set[str]) -> np.ndarray:
    return np.fromiter((item in chosen for item in item_ids), bool, len(item_ids))
