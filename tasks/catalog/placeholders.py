"""Images that stand for none: one "no picture yet" under many different products."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.groups import design_words

#: Designs that differ in a word may share an image rightly: at most three in a fashion shop of 20 735 products.
_LEAST_DESIGNS = 5
_LEAST_SHARE = 0.02  # of the shop's products
_CERTAIN_DESIGNS = 20  # whatever their share
#: Where so many more of an image's titles than of the shop's have one word in common, it shows what that word names.
_FAMILY = 0.5
_TITLES = 5_000  # of the shop, whose words are counted


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An image, how many products and designs show it, and a few of their titles."""

    image_sha256: str
    products: int
    designs: int
    titles: tuple[str, ...]

    @property
    def warning(self) -> str:
        """What a person should know of it."""
        titles = ", ".join(repr(title[:60]) for title in self.titles)
        return (
            f"{self.products:,} products of {self.designs:,} designs show one image ({self.image_sha256[:12]}), as "
            f"{titles}: probably a placeholder. They can be found, and are neither trained nor measured on: "
            "give each its own image."
        )


def find_placeholders(items: pa.Table) -> list[Placeholder]:
    """Images of ``items`` (ITEMS schema) that many different products share, those of the most products first.

    Shared by at least 5 designs (``group_id``) that are 2 % of the products or 20 designs, unless their titles have a
    word in common that the shop's have not: then it is one product under many names.
    """
    columns = items.select(["image_sha256", "group_id", "title"])
    shared = columns.group_by("image_sha256").aggregate([("group_id", "count_distinct"), ("group_id", "count")])
    enough = pc.or_(
        pc.greater_equal(shared["group_id_count"], _LEAST_SHARE * items.num_rows),
        pc.greater_equal(shared["group_id_count_distinct"], _CERTAIN_DESIGNS),
    )
    candidates = shared.filter(
        pc.and_(pc.greater_equal(shared["group_id_count_distinct"], _LEAST_DESIGNS), enough)
    ).to_pylist()
    if not candidates:
        return []
    of_shop = _word_shares(columns["title"].slice(0, _TITLES).to_pylist())
    found = []
    for row in candidates:
        titles = pc.unique(columns.filter(pc.equal(columns["image_sha256"], row["image_sha256"]))["title"]).to_pylist()
        if not _is_family(titles, of_shop):
            examples = tuple(sorted(titles)[:3])
            found.append(
                Placeholder(row["image_sha256"], row["group_id_count"], row["group_id_count_distinct"], examples)
            )
    return sorted(found, key=lambda placeholder: (-placeholder.products, placeholder.image_sha256))


def _is_family(titles: list[str], of_shop: dict[str, float]) -> bool:
    shares = _word_shares(titles)
    return any(share - of_shop.get(word, 0.0) > _FAMILY for word, share in shares.items())


def _word_shares(titles: Iterable[str]) -> dict[str, float]:
    """Each word -> the share of titles that have it."""
    words = [set(design_words(title, "")) for title in titles]
    counts = Counter(word for one in words for word in one)
    return {word: count / len(words) for word, count in counts.items()}
