"""One image under many products: a placeholder, or one design in its variants."""

import pyarrow as pa
import pytest

from tasks.catalog.placeholders import find_placeholders

_THINGS = """
mug chair lamp sofa kettle rug vase clock shelf mirror towel basket pillow tray stool bench desk bowl
"""
_WORDS = """
oslo bergen luna nova arte vito casa mira kira bella stella orion vega delta sigma omega
"""
THINGS, WORDS = _THINGS.split(), _WORDS.split()


def products(*shown: tuple[str, str, str]) -> pa.Table:
    image, group, title = zip(*shown, strict=True)
    return pa.table({"image_sha256": image, "group_id": group, "title": title})


def own(count: int) -> list[tuple[str, str, str]]:
    """Products with images of their own."""
    return [
        (f"own-{n}", f"own-{n}", f"{WORDS[n % len(WORDS)]} {THINGS[n % len(THINGS)]} number {n}") for n in range(count)
    ]


def sharing(count: int, title: str = "{word} {thing}", group: str = "design-{n}") -> list[tuple[str, str, str]]:
    """Products with one image."""
    made = []
    for n in range(count):
        names = {"n": n, "word": WORDS[n % len(WORDS)], "thing": THINGS[n % len(THINGS)]}
        made.append(("none-yet", group.format(**names), title.format(**names)))
    return made


@pytest.mark.parametrize(("count", "others"), [(5, 100), (30, 100), (20, 5000), (6, 0)])
def test_one_image_under_different_products_is_found_and_named(count: int, others: int) -> None:
    (found,) = find_placeholders(products(*own(others), *sharing(count)))
    assert (found.image_sha256, found.products, found.designs) == ("none-yet", count, count)
    assert f"{count} products" in found.warning and "none-yet" in found.warning and found.titles[0] in found.warning


@pytest.mark.parametrize(
    ("shared", "others"),
    [
        (sharing(4), 40),  # a bundle, a range
        (sharing(10), 2000),  # below 2 %
        (sharing(50, group="one design"), 100),  # sizes and colours
        (sharing(50, title="Shirt with the name {word}"), 500),  # personalised: one picture is right
    ],
    ids=["few", "a small share", "variants", "one product under many names"],
)
def test_an_image_that_is_rightly_shared_is_none(shared: list[tuple[str, str, str]], others: int) -> None:
    assert find_placeholders(products(*own(others), *shared)) == []


def test_in_a_shop_of_one_kind_a_common_word_hides_nothing() -> None:
    shop = [(f"own-{n}", f"own-{n}", f"Mug {WORDS[n % 16]} {n}") for n in range(80)]
    assert len(find_placeholders(products(*shop, *sharing(16, title="Mug {word}")))) == 1


def test_the_commonest_comes_first_and_a_shop_without_products_has_none() -> None:
    other = [("other", group, title) for _, group, title in sharing(9)]
    found = find_placeholders(products(*own(50), *sharing(7), *other))
    assert [one.image_sha256 for one in found] == ["other", "none-yet"]
    assert find_placeholders(products(*own(1)).slice(0, 0)) == []
