"""What differs between two snapshots of a shop."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.slices import slices
from tasks.schema.tables import CHANGE_KINDS, CHANGES, ITEMS

#: Columns that are, or follow from, the text or the image; and where the image is, which does not matter.
_JUDGED_BY_HASH = {
    "item_id", "image_sha256", "image_width", "image_height", "source_sha256", "source_uri", "text_sha256", "captions",
}  # fmt: skip
_COMPARED = [name for name in ITEMS.names if name not in _JUDGED_BY_HASH]

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Changes:
    """Item ids by what happened to them, sorted. Each id is in one list: the first that fits, from the bottom up."""

    unchanged: list[str] = field(default_factory=list)
    metadata_only: list[str] = field(default_factory=list)  # price, attributes, class, split, group, language
    text_changed: list[str] = field(default_factory=list)  # and the image did not
    image_changed: list[str] = field(default_factory=list)  # whether or not the text did: needs a new vector
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Number of items of each kind of CHANGE_KINDS, ``unchanged`` included."""
        return {kind: len(getattr(self, kind)) for kind in CHANGE_KINDS}

    def table(self) -> pa.Table:
        """Every item that is not unchanged (CHANGES schema), by kind and then by id."""
        rows = [(item_id, kind) for kind in CHANGE_KINDS if kind != "unchanged" for item_id in getattr(self, kind)]
        return pa.table({"item_id": [row[0] for row in rows], "change": [row[1] for row in rows]}, schema=CHANGES)


def compare(old: pa.Table, new: pa.Table) -> Changes:
    """Compare two tables of the ITEMS schema by item_id. A column that one of them lacks counts as null."""
    old_ids, new_ids = (table["item_id"].combine_chunks() for table in (old, new))
    place = pc.index_in(new_ids, value_set=old_ids)
    kept = pc.indices_nonzero(pc.is_valid(place))
    kinds = np.concatenate(
        [_kinds(old.take(place.take(rows)), new.take(rows)) for rows in slices(kept)] or [np.empty(0, np.int8)]
    )
    kept_ids = new_ids.take(kept)
    lists = {kind: kept_ids.filter(pa.array(kinds == at)) for at, kind in enumerate(CHANGE_KINDS[:4])}
    lists["new"] = new_ids.filter(pc.is_null(place))
    lists["gone"] = old_ids.filter(pc.invert(pc.is_in(old_ids, value_set=new_ids)))
    return Changes(**{kind: sorted(ids.to_pylist()) for kind, ids in lists.items()})


def _kinds(before: pa.Table, after: pa.Table) -> npt.NDArray[np.int8]:
    """For each pair of rows the place of its kind in CHANGE_KINDS: 0 unchanged to 3 image_changed."""
    kinds = np.zeros(len(after), np.int8)
    for name in _COMPARED:
        kinds[_differ(_column(before, name), _column(after, name))] = 1
    kinds[_differ(_column(before, "text_sha256"), _column(after, "text_sha256"))] = 2
    kinds[_differ(_column(before, "image_sha256"), _column(after, "image_sha256"))] = 3
    return kinds


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(len(table), ITEMS.field(name).type)
    return table[name].combine_chunks()


def _differ(before: pa.Array, after: pa.Array) -> Flags:
    """Which places of two equally long arrays differ; two nulls are alike."""
    if pa.types.is_map(before.type):
        return _maps_differ(before, after)
    unequal = pc.fill_null(pc.not_equal(before, after), False)
    return _flags(pc.or_(unequal, pc.xor(pc.is_null(before), pc.is_null(after))))


def _maps_differ(before: pa.MapArray, after: pa.MapArray) -> Flags:
    """Arrow compares no maps: first their sizes, then, of those with equal sizes, all entries in one go."""
    sizes = np.diff(before.offsets)
    differ: np.ndarray = (sizes != np.diff(after.offsets)) | _flags(pc.xor(pc.is_null(before), pc.is_null(after)))
    alike = np.flatnonzero(~differ)
    old, new = (maps.take(pa.array(alike)) for maps in (before, after))
    entries = _differ(old.keys, new.keys) | _differ(old.items, new.items)
    differ[np.repeat(alike, sizes[alike])[entries]] = True
    return differ


def _flags(array: pa.Array) -> Flags:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)
