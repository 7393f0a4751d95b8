"""The table of items: what the shop says of each product, its image, its design, its split."""

import hashlib
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa

from tasks.catalog.captions import captions_of
from tasks.catalog.config import CatalogConfig
from tasks.catalog.placeholders import Placeholder
from tasks.catalog.product_images import ImageLists, found_at, uris_of
from tasks.catalog.slices import slices
from tasks.catalog.splits import KNOWN, designs_and_splits
from tasks.schema.tables import ITEMS

_AS_LISTED = (
    "item_id", "title", "description", "brand", "category", "category_l1", "product_type", "color", "material",
    "pattern", "price", "language", "attributes",
)  # fmt: skip
_TEXTS = ("brand", "category", "color", "description", "material", "pattern", "product_type", "title")  # sorted


def items_table(
    listings: pa.Table, lists: ImageLists, images: pa.Table, config: CatalogConfig, parent: pa.Table | None
) -> tuple[pa.Table, list[Placeholder]]:
    """The items (ITEMS) of these listings (LISTINGS), whose own images (SOURCES) are good, in their order.

    ``parent`` is the previous catalogue's items: they keep their splits. Beside them, the images that stand for none.
    """
    found = found_at(images, lists.own)
    known = None if parent is None else parent.select(KNOWN.names).cast(KNOWN)
    shares = config.train_share, config.val_share
    sha256 = found["image_sha256"].combine_chunks()
    designs, splits, placeholders = designs_and_splits(listings, sha256, config.split_seed, *shares, known)
    columns: dict[str, Any] = {name: listings[name] for name in _AS_LISTED} | {
        "group_id": pa.array(designs, pa.string()),
        "split": pa.array(splits, pa.string()),
        "image_sha256": sha256,
        "image_width": found["image_width"],
        "image_height": found["image_height"],
        "source_uri": uris_of(lists.own, config.root),
        "source_sha256": found["source_sha256"],
    }
    columns["captions"] = pa.chunked_array(map(captions_of, slices(listings)), ITEMS.field("captions").type)
    columns["text_sha256"] = pa.chunked_array(map(_text_sha256, slices(listings)), pa.string())
    return pa.table([columns[name] for name in ITEMS.names], schema=ITEMS).combine_chunks(), placeholders


def _text_sha256(listings: pa.Table) -> pa.Array:
    """The sha256 of every text field of each listing, as canonical JSON of them all together."""
    columns = [list(map(encode_basestring, listings[name].to_pylist())) for name in _TEXTS]
    form = "{" + ",".join(f'"{name}":%s' for name in _TEXTS) + "}"
    texts = (form % row for row in zip(*columns, strict=True))
    return pa.array([hashlib.sha256(found.encode()).hexdigest() for found in texts], pa.string())
