"""The rows of a shop in the product's terms, before their images are read, and the rows that were refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from tasks.catalog.tables.rows import EmbeddedImage

#: One row per product as the shop describes it. Texts are clean; "" where the shop gives none.
LISTINGS = pa.schema(
    [
        pa.field("row", pa.int64()),  # 0-based position in the source
        pa.field("source", pa.string()),  # file and line
        pa.field("item_id", pa.string()),
        pa.field("title", pa.string()),
        pa.field(
            "images", pa.list_(pa.string())
        ),  # where they are: relative to the source's root, or a URI; one or more
        pa.field("description", pa.string()),
        pa.field("brand", pa.string()),
        pa.field("category", pa.string()),  # whole path, "/" between levels
        pa.field("product_type", pa.string()),
        pa.field("color", pa.string()),
        pa.field("material", pa.string()),
        pa.field("pattern", pa.string()),
        pa.field("price", pa.float64()),
        pa.field("language", pa.string()),
        pa.field("group", pa.string()),  # the shop's own group of variants
        pa.field("design", pa.string()),  # model name or number, which variants share
        pa.field("unspoken", pa.list_(pa.string())),  # fields in none of the preferred languages: not used in captions
        pa.field("category_l1", pa.string()),
        pa.field("color_name", pa.string()),  # the shop's own word beside a standard colour
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
    ]
)


@dataclass(slots=True)
class Listing:
    """One row of LISTINGS while it is put together."""

    row: int
    source: str
    item_id: str
    title: str
    image: str
    further_images: tuple[str, ...] = ()  # of the same product, in the shop's order
    description: str = ""
    brand: str = ""
    category: tuple[str, ...] = ()
    product_type: str = ""
    color: str = ""
    material: str = ""
    pattern: str = ""
    price: float | None = None
    language: str = ""
    group: str = ""
    design: str = ""
    foreign: bool = False  # the title is in none of the preferred languages
    unspoken: frozenset[str] = frozenset()
    category_l1: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def listings_table(listings: Sequence[Listing]) -> pa.Table:
    """The LISTINGS table of these, in their order."""
    columns = {
        name: [getattr(one, name) for one in listings]
        for name in LISTINGS.names
        if name not in ("images", "category", "unspoken", "color_name", "attributes")
    }
    columns["images"] = [[one.image, *one.further_images] for one in listings]
    columns["category"] = ["/".join(one.category) for one in listings]
    columns["unspoken"] = [sorted(one.unspoken) for one in listings]
    columns["color_name"] = [one.attributes.get("color_name", "") for one in listings]
    columns["attributes"] = [sorted(one.attributes.items()) for one in listings]
    return pa.table({name: columns[name] for name in LISTINGS.names}, schema=LISTINGS)


@dataclass(frozen=True, slots=True)
class Reject:
    """One refused row; fields as in the REJECTS table."""

    row: int
    item_id: str
    reason: str
    detail: str
    source: str


@dataclass(slots=True)
class SourceRows:
    """Everything read from a source: good rows (LISTINGS), refused rows, and facts to report about the reading."""

    listings: pa.Table
    rejects: list[Reject]
    rows: int  # rows of the source, good or refused
    facts: dict[str, object] = field(default_factory=dict)
    embedded: Mapping[str, EmbeddedImage] = field(default_factory=dict)  # images within the table, by location
