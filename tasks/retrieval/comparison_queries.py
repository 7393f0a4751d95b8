"""The queries whose answers are compared between two releases; the same ones every night."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

_QUERIES = 100
_SHORT = ("color_type", "type", "title")  # caption kinds that resemble typed queries, best first


def held_out_titles(live: pa.Table, new: pa.Table, shared: set[str], most: int) -> dict[str, str]:
    """Titles by item id of at most ``most`` shared products that neither release's model was trained on.

    Both tables have columns item_id, split, title; the titles are the new release's.
    """
    held_out = set(live.filter(pc.equal(live["split"], "test"))["item_id"].to_pylist()) & shared
    tests = new.filter(pc.equal(new["split"], "test"))
    titles = dict(zip(tests["item_id"].to_pylist(), tests["title"].to_pylist(), strict=True))
    return {item: titles[item] for item in sorted(held_out & titles.keys(), key=_shuffled)[:most]}


def short_captions(items: pa.Table, shared: set[str]) -> list[str]:
    """Distinct short captions of shared products: the golden queries of a shop that has none of its own."""
    ids = items["item_id"].to_pylist()
    rows = sorted((row for row, item in enumerate(ids) if item in shared), key=lambda row: _shuffled(ids[row]))
    texts: dict[str, None] = {}
    for pairs in items["captions"].take(pa.array(rows[: 4 * _QUERIES], pa.int64())).to_pylist():
        captions = dict(pairs)
        text = next((captions[kind] for kind in _SHORT if captions.get(kind)), "")
        if text:
            texts.setdefault(text)
    return list(texts)[:_QUERIES]


def _shuffled(item_id: str) -> str:
    """Sort key of a pseudo-random order that stays the same when other products come and go."""
    return hashlib.sha256(item_id.encode()).hexdigest()
