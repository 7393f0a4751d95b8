"""Splits: shares, no leaks, and nothing moves when a shop grows."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog.groups import design_words, group_of
from tasks.catalog.listing import Listing
from tasks.catalog.splits import PRECEDENCE, Known, Member, assign_splits, share_of

Shop = list[Member]


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


def assigned(shop: Shop, known: Known | None = None, seed: str = "s") -> list[str]:
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
    after = assigned(shop, Known.of(old, before))
    assert_no_leak(shop, after)
    assert after[: len(old)] == before


@given(shops(30), st.data())
@settings(max_examples=150, deadline=None)
def test_growing_with_other_shares_and_seed_moves_nothing(shop: Shop, data: st.DataObject) -> None:
    old = shop[: data.draw(st.integers(1, len(shop)))]
    before = assigned(old)
    after = assign_splits(shop, "another seed", 0.1, 0.8, Known.of(old, before))
    assert_no_leak(shop, after)
    assert after[: len(old)] == before


@given(shops(30), shops(30))
@settings(max_examples=150, deadline=None)
def test_any_change_keeps_the_promise_and_moves_only_to_unused(old: Shop, new: Shop) -> None:
    """The same ids with other groups and images: an item keeps its split or becomes unused, never another."""
    before = dict(zip((one.item_id for one in old), assigned(old), strict=True))
    after = assigned(new, Known.of(old, list(before.values())))
    assert_no_leak(new, after)
    for member, split in zip(new, after, strict=True):
        assert split in (before.get(member.item_id, split), "unused")


def test_a_newcomer_that_would_straddle_is_unused() -> None:
    groups = {split: next(f"g{n}" for n in range(99) if assigned([Member("i", f"g{n}", "p")]) == [split])
              for split in PRECEDENCE}  # fmt: skip
    train = Member("old", groups["train"], "shared")
    test = Member("new", groups["test"], "shared")
    assert assigned([train, test]) == ["unused", "test"]  # without a past, test keeps the image
    assert assigned([train, test], Known.of([train], ["train"])) == ["train", "unused"]
    # the image was trained on and its item is gone: it must not come back as a test image
    assert assigned([test], Known.of([train], ["train"])) == ["unused"]


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
