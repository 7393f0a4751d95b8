"""What changed between two snapshots of a shop: the fast form says what the plain one does."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog import slices
from tasks.catalog.changes import Changes, compare
from tasks.schema.tables import CHANGES, ITEMS

JUDGED_BY_HASH = {
    "item_id", "image_sha256", "image_width", "image_height", "source_sha256", "source_uri", "text_sha256", "captions",
}  # fmt: skip


def plainly(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Changes:
    """The definition, one row at a time."""
    before, after = ({row["item_id"]: row for row in rows} for rows in (old, new))
    found = Changes(new=sorted(after.keys() - before.keys()), gone=sorted(before.keys() - after.keys()))
    for item_id in sorted(after.keys() & before.keys()):
        one, two = before[item_id], after[item_id]
        if one["image_sha256"] != two["image_sha256"]:
            found.image_changed.append(item_id)
        elif one["text_sha256"] != two["text_sha256"]:
            found.text_changed.append(item_id)
        elif any(one[name] != two[name] for name in ITEMS.names if name not in JUDGED_BY_HASH):
            found.metadata_only.append(item_id)
        else:
            found.unchanged.append(item_id)
    return found


def row(item_id: str, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dict.fromkeys(ITEMS.names, "")
    plain |= {"price": None, "captions": [], "attributes": [], "image_width": 1, "image_height": 1}
    return plain | {"item_id": item_id} | changes


words = st.sampled_from(["", "a", "b", "ü"])
maps = st.lists(st.tuples(words, words), max_size=3)
rows = st.builds(
    row,
    st.sampled_from([f"{letter}{n}" for letter in "aZü" for n in range(6)]),
    image_sha256=words,
    text_sha256=words,
    title=words,
    split=words,
    source_uri=words,
    price=st.sampled_from([None, 0.0, 9.5]),
    captions=maps,
    attributes=maps,
    image_width=st.integers(1, 2),
)
shops = st.lists(rows, max_size=18, unique_by=lambda one: one["item_id"])


@given(shops, shops, st.integers(1, 5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_two_shops_differ_as_the_plain_form_says(
    old: list[dict[str, Any]], new: list[dict[str, Any]], block: int, in_pieces: bool
) -> None:
    tables = [pa.Table.from_pylist(shop, schema=ITEMS) for shop in (old, new)]
    if in_pieces:  # as parquet gives them: several chunks, and slices that do not start at zero
        tables = [pa.concat_tables([table.slice(0, 2), table.slice(2)]) for table in tables]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "AT_ONCE", block)
        found = compare(*tables)
    assert found == plainly(old, new)
    assert sum(found.counts.values()) == len(new) + len(found.gone)
    listed = found.table()
    assert listed.schema.equals(CHANGES) and listed.num_rows == sum(found.counts.values()) - len(found.unchanged)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"source_uri": "elsewhere", "captions": [("title", "x")], "image_width": 2}, "unchanged"),
        ({"price": 1.0}, "metadata_only"),
        ({"attributes": [("size", "L")]}, "metadata_only"),
        ({"attributes": [("size", "M"), ("fit", "slim")]}, "metadata_only"),
        ({"text_sha256": "t", "price": 1.0}, "text_changed"),
        ({"image_sha256": "i", "text_sha256": "t", "price": 1.0}, "image_changed"),
    ],
)
def test_each_kind_of_change_has_its_name(change: dict[str, Any], kind: str) -> None:
    before = row("mug", attributes=[("size", "M")])
    found = compare(*(pa.Table.from_pylist([one], schema=ITEMS) for one in (before, before | change)))
    assert getattr(found, kind) == ["mug"] and sum(found.counts.values()) == 1


def test_a_column_that_an_older_catalogue_lacks_counts_as_null() -> None:
    table = pa.Table.from_pylist([row("free"), row("sold", price=9.5)], schema=ITEMS)
    found = compare(table.drop_columns(["price"]), table)
    assert (found.unchanged, found.metadata_only) == (["free"], ["sold"])
    assert compare(table, table).unchanged == ["free", "sold"]
