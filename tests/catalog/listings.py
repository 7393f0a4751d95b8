"""LISTINGS tables as objects, for tests that look at one row."""

import pyarrow as pa

from tasks.catalog.captions import captions_of
from tasks.catalog.groups import designs_of
from tasks.catalog.listing import Listing, listings_table

_SAME = ("row", "source", "item_id", "title", "description", "brand", "product_type", "color", "material", "pattern",
         "price", "language", "group", "design", "category_l1")  # fmt: skip


def listings_of(table: pa.Table) -> list[Listing]:
    """Each row of a LISTINGS table."""
    return [
        Listing(
            **{name: row[name] for name in _SAME},
            image=row["images"][0],
            further_images=tuple(row["images"][1:]),
            category=tuple(row["category"].split("/")) if row["category"] else (),
            unspoken=frozenset(row["unspoken"]),
            attributes=dict(row["attributes"]),
        )
        for row in table.to_pylist()
    ]


def group_of(listing: Listing) -> str:
    """The design of one listing."""
    [design] = designs_of(listings_table([listing]))
    return design


def captions_of_one(listing: Listing) -> dict[str, str]:
    """The captions of one listing."""
    return dict(captions_of(listings_table([listing])).to_pylist()[0])
