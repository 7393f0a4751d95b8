"""The answers of two releases to one question: what moved, what is new, what is gone."""

from typing import Literal

from pydantic import BaseModel

from app.query.answers import Answer, Hit

Change = Literal["same", "up", "down", "new", "gone"]


class Moved(BaseModel, frozen=True):
    """One product in one of the two answers. ``by``: places it rose (or fell, below zero) from `before` to `after`."""

    hit: Hit
    change: Change
    by: int = 0


class Comparison(BaseModel, frozen=True):
    """Two answers side by side: ``before`` of the other release, ``after`` of the live one.

    shared: products in both; overlap: their share of the longer answer.
    """

    before: Answer
    after: Answer
    left: list[Moved]
    right: list[Moved]
    shared: int
    overlap: float


def compared(before: Answer, after: Answer) -> Comparison:
    """What changed from one answer to the other."""
    old = {hit.product.item_id: hit.rank for hit in before.hits}
    new = {hit.product.item_id: hit.rank for hit in after.hits}
    shared = len(old.keys() & new.keys())
    longest = max(len(old), len(new))
    return Comparison(
        before=before,
        after=after,
        left=[_moved(hit, old, new, "gone") for hit in before.hits],
        right=[_moved(hit, old, new, "new") for hit in after.hits],
        shared=shared,
        overlap=round(shared / longest, 4) if longest else 1.0,
    )


def _moved(hit: Hit, old: dict[str, int], new: dict[str, int], alone: Change) -> Moved:
    item = hit.product.item_id
    if item not in old or item not in new:
        return Moved(hit=hit, change=alone)
    by = old[item] - new[item]
    return Moved(hit=hit, change="up" if by > 0 else "down" if by < 0 else "same", by=by)
