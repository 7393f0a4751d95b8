"""One row of a shop in the product's terms, before its image is read, and one row that was refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.catalog.tables.rows import EmbeddedImage


@dataclass(slots=True)
class Listing:
    """One product as the shop describes it. Texts are clean; ``""`` where the shop gives none."""

    row: int  # 0-based position in the source
    source: str  # file and line
    item_id: str
    title: str
    image: str  # where the image is: relative to the source's root, or a URI
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
    group: str = ""  # the shop's own group of variants
    design: str = ""  # model name or number, which variants share
    foreign: bool = False  # the title is in none of the preferred languages
    unspoken: frozenset[str] = frozenset()  # attributes in none of the preferred languages: not used in captions
    category_l1: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


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
    """Everything read from a source: good rows, refused rows, and facts to report about the reading."""

    listings: list[Listing]
    rejects: list[Reject]
    rows: int  # rows of the source, good or refused
    facts: dict[str, object] = field(default_factory=dict)
    embedded: Mapping[str, EmbeddedImage] = field(default_factory=dict)  # images within the table, by location
