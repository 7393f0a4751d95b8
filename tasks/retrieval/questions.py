"""What two releases are asked so that their answers can be compared: the same questions every night."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

_CHOSEN = 100
_SHORT = ("color_type", "type", "title")  # caption kinds most like what people type


def held_out_titles(live: pa.Table, new: pa.Table, shared: set[str], most: int) -> dict[str, str]:
    """Item id -> title, of at most ``most`` shared products that neither release's model was trained on.

    Both tables have columns item_id, split, title; the titles are the new release's.
    """
    held_out = set(live.filter(pc.equal(live["split"], "test"))["item_id"].to_pylist()) & shared
    tests = new.filter(pc.equal(new["split"], "test"))
    titles = dict(zip(tests["item_id"].to_pylist(), tests["title"].to_pylist(), strict=True))
    return {item: titles[item] for item in sorted(held_out & titles.keys(), key=_scattered)[:most]}


def short_captions(items: pa.Table, shared: set[str]) -> list[str]:
    """Golden queries of a shop whose owner named none: distinct short captions of shared products."""
    ids = items["item_id"].to_pylist()
    rows = sorted((row for row, item in enumerate(ids) if item in shared), key=lambda row: _scattered(ids[row]))
    texts: dict[str, None] = {}
    for pairs in items["captions"].take(pa.array(rows[: 4 * _CHOSEN], pa.int64())).to_pylist():
        captions = dict(pairs)
        text = next((captions[kind] for kind in _SHORT if captions.get(kind)), "")
        if text:
            texts.setdefault(text)
    return list(texts)[:_CHOSEN]


def _scattered(item_id: str) -> str:
    """A key that sorts products in an order that has nothing to do with them, and stays when others come and go."""
    return hashlib.sha256(item_id.encode()).hexdigest()
