"""Which columns a visitor is offered to choose by."""

from __future__ import annotations

import numpy as np

from app.query.facets import useful_columns
from app.serving.columns import Column, Columns


def column(*values: str) -> Column:
    names = tuple(dict.fromkeys(values))
    return Column(np.array([names.index(value) for value in values], dtype=np.int32), names)


def columns(**text: Column) -> Columns:
    rows = len(next(iter(text.values())).codes)
    return Columns(text, np.full(rows, np.nan))


def test_a_column_that_divides_the_products_is_offered() -> None:
    some = columns(
        brand=column("Acme", "Acme", "Other", "Other"),
        language=column("en", "en", "en", "en"),  # one value: no choice
        size=column("1", "2", "3", "4"),  # of each product another
        material=column("", "", "oak", "pine"),  # two values, of two products
    )
    assert useful_columns(some) == ("brand",)


def test_a_column_that_almost_no_product_has_is_not_offered() -> None:
    rare = column(*["a", "a", "b", "b"], *[""] * 96)
    common = column(*["a", "b"] * 3, *[""] * 94)
    assert useful_columns(columns(rare=rare, common=common)) == ("common",)


def test_a_type_is_left_out_beside_a_category_that_is_as_fine() -> None:
    kind = column("mug", "mug", "lamp", "lamp")
    assert useful_columns(columns(product_type=kind)) == ("product_type",)
    assert useful_columns(columns(category=column("A/x", "A/x", "A/y", "A/y"), product_type=kind)) == ("category",)
    coarse = column("Home", "Home", "Home", "Home")
    assert useful_columns(columns(category=coarse, product_type=kind)) == ("product_type",)


def test_at_most_eight_are_offered_the_first_ones_first() -> None:
    many = columns(**{f"attributes.{n}": column("a", "a", "b", "b") for n in range(12)})
    assert useful_columns(many) == tuple(f"attributes.{n}" for n in range(8))
