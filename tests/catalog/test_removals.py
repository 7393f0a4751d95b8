"""Which products are down after a change, and what an unknown id may have meant."""

from datetime import UTC, datetime

import pytest

from tasks.catalog.removals import ChangedRemovals, change_removals, nearest
from tasks.schema.errors import ConfigError
from tasks.schema.tables import REMOVALS

IDS = ["B00-red-mug", "B00-blue-mug", "B00-red-chair", "C11-lamp"]
FIRST, LATER = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def change(current=None, when: datetime = FIRST, **asked: object) -> ChangedRemovals:
    table = REMOVALS.empty_table() if current is None else current
    return change_removals(table, IDS, when=when, run="run", **{"reason": "recall", **asked})


def test_products_go_down_once_and_come_back() -> None:
    first = change(remove=[IDS[0], IDS[2], IDS[0]])
    assert first.removed == [IDS[0], IDS[2]] and first.table.num_rows == 2
    again = change(first.table, LATER, remove=[IDS[0], IDS[1]], restore=[IDS[2]], reason="another")
    assert (again.removed, again.restored) == ([IDS[1]], [IDS[2]])
    kept = {row["item_id"]: (row["reason"], row["removed_at"]) for row in again.table.to_pylist()}
    assert kept == {IDS[0]: ("recall", FIRST), IDS[1]: ("another", LATER)}
    assert change(again.table, remove=[IDS[0]]).removed == []
    assert change(again.table, restore=[IDS[0], IDS[1]]).table.num_rows == 0


def test_unknown_ids_are_refused_all_at_once_with_the_nearest_named() -> None:
    down = change(remove=[IDS[3]]).table
    with pytest.raises(ConfigError) as told:
        change(down, remove=["b00-red-mugg", "zzz", IDS[0]], restore=["C11-lmap"])
    assert "3 of 4 ids" in str(told.value) and "nearest: B00-red-mug" in str(told.value)
    assert "'zzz'" in str(told.value) and "no taken-down product 'C11-lmap', nearest: C11-lamp" in str(told.value)


def test_a_product_may_be_taken_down_before_the_shop_lists_it() -> None:
    early = change(remove=["D99-not-yet"], unknown_ok=True)
    assert early.removed == ["D99-not-yet"]
    assert change(early.table, restore=["never-down"], unknown_ok=True).restored == []
    assert change(early.table, remove=["D99-not-yet"]).removed == [], "known by now, though not in the catalogue"


def test_a_long_catalogue_is_compared_where_ids_begin_alike() -> None:
    many = [f"{prefix}{number:06d}" for prefix in ("AA", "BB") for number in range(40_000)]
    found = nearest("bb012x45", many)
    assert len(found) == 3 and all(one.startswith("BB") for one in found)
