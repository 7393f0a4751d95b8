"""What differs between two snapshots of a shop."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

#: Columns that are, or follow from, the text or the picture; and where the picture lies, which says nothing of it.
_JUDGED_BY_HASH = {
    "item_id", "image_sha256", "image_width", "image_height", "source_sha256", "source_uri", "text_sha256", "captions",
}  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """Item ids by what happened to them, sorted. Each id is in one list: the first that fits, from the bottom up."""

    unchanged: list[str] = field(default_factory=list)
    metadata_only: list[str] = field(default_factory=list)  # price, attributes, class, split, group, language
    text_changed: list[str] = field(default_factory=list)  # and the picture did not
    image_changed: list[str] = field(default_factory=list)  # whether or not the text did: needs a new vector
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def compare(old: pa.Table, new: pa.Table) -> Changes:
    """Compare two tables of the ITEMS schema by item_id."""
    before, after = _rows_by_id(old), _rows_by_id(new)
    changes = Changes(
        new=sorted(after.keys() - before.keys()),
        gone=sorted(before.keys() - after.keys()),
    )
    for item_id in sorted(after.keys() & before.keys()):
        _list_for(changes, before[item_id], after[item_id]).append(item_id)
    return changes


def _list_for(changes: Changes, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    if before["image_sha256"] != after["image_sha256"]:
        return changes.image_changed
    if before["text_sha256"] != after["text_sha256"]:
        return changes.text_changed
    names = (before.keys() | after.keys()) - _JUDGED_BY_HASH
    same = all(before.get(name) == after.get(name) for name in names)
    return changes.unchanged if same else changes.metadata_only


def _rows_by_id(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["item_id"]: row for row in table.to_pylist()}
