"""Splits: shares, no leaks, and nothing moves when a shop grows."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog import splits as product
from tasks.catalog.groups import design_words, designs_of
from tasks.catalog.listing import Listing, listings_table
from tasks.catalog.splits import FEWEST, KNOWN, MEMBERS, PRECEDENCE, designs_and_splits, share_of, split_of_group
from tests.catalog.listings import group_of


class Member(NamedTuple):
    """One row of MEMBERS."""

    item_id: str
    group_id: str
    image_sha256: str


Shop = list[Member]


def known_of(members: Sequence[Member], splits: Sequence[str]) -> pa.Table:
    """The KNOWN table of these."""
    columns = members_table(members).to_pydict() | {"split": list(splits)}
    return pa.table(columns, schema=KNOWN)


def members_table(members: Sequence[Member]) -> pa.Table:
    """The MEMBERS table of these."""
    return pa.Table.from_pylist([member._asdict() for member in members], schema=MEMBERS)


def assign_splits(shop: Shop, seed: str, train: float, val: float, known: pa.Table | None = None) -> list[str]:
    return product.assign_splits(members_table(shop), seed, train, val, known)


def straddling(members: Sequence[Member], splits: Sequence[str], key: Callable[[Member], Hashable]) -> int:
    """How many groups or images (by ``key``) have items in two of train, val and test. Zero, or a leak."""
    seen: dict[Hashable, set[str]] = defaultdict(set)
    for member, split in zip(members, splits, strict=True):
        if split in PRECEDENCE:
            seen[key(member)].add(split)
    return sum(len(found) > 1 for found in seen.values())


@st.composite
def shops(draw: st.DrawFn, most: int = 25) -> Shop:
    """Items whose groups and images overlap far more than any real shop's."""
    count = draw(st.integers(1, most))
    groups = draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))
    images = draw(st.lists(st.integers(0, 10), min_size=count, max_size=count))
    return [Member(f"i{at}", f"g{groups[at]}", f"p{images[at]}") for at in range(count)]


def assigned(shop: Shop, known: pa.Table | None = None, seed: str = "s") -> list[str]:
    return assign_splits(shop, seed, 0.4, 0.3, known)


def assert_no_leak(shop: Shop, splits: list[str]) -> None:
    assert straddling(shop, splits, lambda one: one.group_id) == 0
    assert straddling(shop, splits, lambda one: one.image_sha256) == 0


@given(shops(), st.text(max_size=3))
@settings(max_examples=150, deadline=None)
def test_no_group_and_no_image_straddles(shop: Shop, seed: str) -> None:
    assert_no_leak(shop, assigned(shop, seed=seed))


@given(shops())
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(shop: Shop) -> None:
    forward = dict(zip((one.item_id for one in shop), assigned(shop), strict=True))
    backward = dict(zip((one.item_id for one in shop[::-1]), assigned(shop[::-1]), strict=True))
    assert forward == backward


@given(shops(40), st.integers(1, 39))
@settings(max_examples=150, deadline=None)
def test_growing_moves_nothing(shop: Shop, at: int) -> None:
    old = shop[: max(1, min(at, len(shop) - 1))]
    before = assigned(old)
    after = assigned(shop, known_of(old, before))
    assert_no_leak(shop, after)
    assert after[: len(old)] == before


@given(shops(30), st.data())
@settings(max_examples=150, deadline=None)
def test_growing_with_other_shares_and_seed_moves_nothing(shop: Shop, data: st.DataObject) -> None:
    old = shop[: data.draw(st.integers(1, len(shop)))]
    before = assigned(old)
    after = assign_splits(shop, "another seed", 0.1, 0.8, known_of(old, before))
    assert_no_leak(shop, after)
    assert after[: len(old)] == before


@given(shops(30), shops(30))
@settings(max_examples=150, deadline=None)
def test_any_change_keeps_the_promise_and_moves_only_to_unused(old: Shop, new: Shop) -> None:
    """The same ids with other groups and images: an item keeps its split or becomes unused, never another."""
    before = dict(zip((one.item_id for one in old), assigned(old), strict=True))
    after = assigned(new, known_of(old, list(before.values())))
    assert_no_leak(new, after)
    for member, split in zip(new, after, strict=True):
        assert split in (before.get(member.item_id, split), "unused")


def test_a_newcomer_that_would_straddle_is_unused() -> None:
    groups = {split: next(f"g{n}" for n in range(99) if assigned([Member("i", f"g{n}", "p")]) == [split])
              for split in PRECEDENCE}  # fmt: skip
    train = Member("old", groups["train"], "shared")
    test = Member("new", groups["test"], "shared")
    assert assigned([train, test]) == ["unused", "test"]  # without a past, test keeps the image
    assert assigned([train, test], known_of([train], ["train"])) == ["train", "unused"]
    # the image was trained on and its item is gone: it must not come back as a test image
    assert assigned([test], known_of([train], ["train"])) == ["unused"]


def test_shares_are_met_and_depend_on_the_seed() -> None:
    shop = [Member(f"i{n}", f"g{n}", f"p{n}") for n in range(4000)]
    splits = assign_splits(shop, "a", 0.8, 0.1)
    assert abs(splits.count("train") / 4000 - 0.8) < 0.03
    assert abs(splits.count("test") / 4000 - 0.1) < 0.02
    assert splits != assign_splits(shop, "b", 0.8, 0.1)
    assert all(0 <= share_of(f"{n}", "x") < 1 for n in range(100))


def listing(title: str, color: str = "", brand: str = "", **more: object) -> Listing:
    return Listing(0, "t:1", title, title, "a.jpg", color=color, brand=brand, **more)  # type: ignore[arg-type]


def test_colours_and_sizes_of_a_design_share_a_group() -> None:
    hoodies = [listing(f"Chaz Kangeroo Hoodie {color}", color) for color in ("Black", "Gray", "Orange")]
    assert len({group_of(one) for one in hoodies}) == 1
    balls = [listing(f"Sprite Stasis Ball {size} cm") for size in (55, 65, 75)]
    assert len({group_of(one) for one in balls}) == 1
    shoes = [listing("Läufer Schuh, Größe 42, Grün", "Grün"), listing("Läufer Schuh, Größe 41, Weiß", "Weiß")]
    assert len({group_of(one) for one in shoes}) == 1
    assert group_of(hoodies[0]) != group_of(listing("Teton Pullover Hoodie Black", "Black"))
    assert group_of(listing("Running Tee", brand="A")) != group_of(listing("Running Tee", brand="B"))
    assert re.fullmatch(r"chaz-kangeroo-hoodie-[0-9a-f]{10}", group_of(hoodies[0]))


def test_an_odd_colour_is_known_from_its_row() -> None:
    assert design_words("Mug Zorblax", "Zorblax") == ["mug"]
    assert design_words('Sofa model W, 78 "W x 30"D, size M', "") == ["sofa", "model", "w"]
    red, blue = (
        listing("Mug Hot Zorblax", "Red", attributes={"color_name": "Hot Zorblax"}),
        listing("Mug Blue", "Blue"),
    )
    assert group_of(red) == group_of(blue)


def test_the_shops_own_group_wins_and_bare_colours_stay_apart() -> None:
    assert group_of(listing("Mug", group="parent-7")) == "parent-7"
    assert group_of(listing("Black")) != group_of(listing("White"))
    first = listing("Any title", brand="B", design="Otis", product_type="sofa")
    assert group_of(first) == group_of(listing("Other", brand="B", design="Otis", product_type="sofa"))
    assert group_of(first) != group_of(listing("Other", brand="B", design="Otis", product_type="lamp"))


def small_shop(designs: int, name: str = "") -> Shop:
    return [Member(f"{name}i{n}", f"{name}g{n}", f"{name}p{n}") for n in range(designs)]


def by_hash(shop: Shop, seed: str) -> list[str]:
    return [split_of_group(one.group_id, seed, 0.8, 0.1) for one in shop]


@pytest.mark.parametrize("designs", [6, 12, 20, 40, 60])
def test_a_small_shop_has_enough_in_every_split_and_moves_no_more_than_it_lacks(designs: int) -> None:
    shop = small_shop(designs)
    for seed in map(str, range(50)):
        splits, hashed = assign_splits(shop, seed, 0.8, 0.1), by_hash(shop, seed)
        assert min(splits.count(split) for split in PRECEDENCE) >= FEWEST
        if min(hashed.count(split) for split in PRECEDENCE) >= FEWEST:
            assert splits == hashed, "where hashing does, it alone decides"
        else:
            assert splits.count("train") >= designs // 3
        assert splits == assign_splits(shop[::-1], seed, 0.8, 0.1)[::-1]


@pytest.mark.parametrize("designs", [1, 2, 3, 4, 5])
def test_in_a_tiny_shop_no_split_is_robbed(designs: int) -> None:
    for seed in map(str, range(50)):
        shop = small_shop(designs)
        splits, hashed = assign_splits(shop, seed, 0.8, 0.1), by_hash(shop, seed)
        assert designs >= 2 * FEWEST or splits == hashed, "nothing is gained by moving"
        assert all(splits.count(one) >= FEWEST for one in PRECEDENCE if hashed.count(one) >= FEWEST)
        if hashed == ["train"] * 5:
            assert sorted(splits) == ["test", "test", "train", "train", "train"]


def test_no_share_is_no_lack() -> None:
    shop = small_shop(12)
    assert assign_splits(shop, "s", 1.0, 0.0) == ["train"] * 12


@pytest.mark.parametrize("grown", [13, 20, 60, 300])
def test_a_small_shop_that_grows_keeps_every_split(grown: int) -> None:
    shop = small_shop(grown)
    for seed in map(str, range(30)):
        before = assign_splits(shop[:12], seed, 0.8, 0.1)
        after = assign_splits(shop, seed, 0.8, 0.1, known_of(shop[:12], before))
        assert after[:12] == before
        # a shop that was released before splits were filled: newcomers fill them, and what is there stays
        hashed = by_hash(shop[:12], seed)
        later = assign_splits(shop, seed, 0.8, 0.1, known_of(shop[:12], hashed))
        assert later[:12] == hashed
        if grown >= 20:
            assert min(later.count(split) for split in ("val", "test")) >= FEWEST
        assert assign_splits(shop[:12], seed, 0.8, 0.1, known_of(shop[:12], hashed)) == hashed


def test_designs_that_share_an_image_move_together() -> None:
    shop = [Member(f"i{n}", f"g{n // 2}", f"p{n % 6}") for n in range(24)]
    for seed in map(str, range(50)):
        splits = assign_splits(shop, seed, 0.8, 0.1)
        assert_no_leak(shop, splits)
        assert min(splits.count(split) for split in PRECEDENCE) >= FEWEST


def settled(shop: Sequence[Listing], known: pa.Table | None = None) -> tuple[list[str], list[str]]:
    images = pa.array([f"p-{one.item_id}" for one in shop])
    return designs_and_splits(listings_table(shop), images, "s", 0.8, 0.1, known)


def titled(*titles: str, **more: object) -> list[Listing]:
    shop = [listing(title, **more) for title in titles]
    for number, one in enumerate(shop):
        one.item_id = str(number)
    return shop


@pytest.mark.parametrize("titles", [("Handmade item",), ("Handmade item", "Ring"), ("Mug", "Ring", "Handmade item")])
def test_equal_titles_that_fill_the_shop_are_no_design(titles: tuple[str, ...]) -> None:
    shop = titled(*(titles * 60)[:60])
    designs, splits = settled(shop)
    assert min(splits.count(split) for split in PRECEDENCE) >= FEWEST
    if len(titles) == 1:
        assert designs == [f"item-{number}" for number in range(60)]
    assert settled(shop) == (designs, splits)
    # the next night, with twenty more and another name: nothing moves, and none is a design again
    members = [Member(one.item_id, design, f"p-{one.item_id}") for one, design in zip(shop, designs, strict=True)]
    more = titled(*(titles * 100)[:60], *(f"Bowl {word}" for word in "abcdefghijklmnopqrst"))
    later, kept = settled(more, known_of(members, splits))
    assert later[:60] == designs
    assert kept[:60] == splits


def test_designs_stay_where_splits_have_enough_or_the_shop_named_them() -> None:
    shop = titled(*["Handmade item"] * 40, *(f"Bowl {chr(97 + n)}{chr(98 + n)}" for n in range(20)))
    designs, splits = settled(shop)
    assert len(set(designs[:40])) == 1
    assert min(splits.count(split) for split in PRECEDENCE) >= FEWEST
    for named in ({"group": "one"}, {"design": "one"}):
        assert len(set(settled(titled(*["Handmade item"] * 60, **named))[0])) == 1
    whole = titled(*["Handmade item"] * 60)
    before = designs_of(listings_table(whole))
    members = [Member(one.item_id, design, f"p-{one.item_id}") for one, design in zip(whole, before, strict=True)]
    assert settled(whole, known_of(members, ["train"] * 60)) == (before, ["train"] * 60), "as the last catalogue had it"
