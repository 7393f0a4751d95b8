"""The pyarrow schema of every parquet file in the store."""

import pyarrow as pa

SPLITS = ("train", "val", "test", "unused")

#: One row per product that can be searched. Text columns are "" where the shop says nothing, never null.
ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),  # variants of one design share it
        pa.field("split", pa.string(), nullable=False),  # one of SPLITS; "unused" is searchable but never measured on
        pa.field("title", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("brand", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),  # whole path, "/" between levels
        pa.field("category_l1", pa.string(), nullable=False),
        pa.field("product_type", pa.string(), nullable=False),  # human words: "phone case"
        pa.field("color", pa.string(), nullable=False),  # the standard colour where the shop has one
        pa.field("material", pa.string(), nullable=False),
        pa.field("pattern", pa.string(), nullable=False),
        pa.field("price", pa.float64()),  # null where unknown
        pa.field("language", pa.string(), nullable=False),  # BCP 47 tag of the title, "" where unknown
        pa.field("captions", pa.map_(pa.string(), pa.string()), nullable=False),  # caption kind -> text
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),  # any further column of the shop
        pa.field("image_sha256", pa.string(), nullable=False),  # of the stored image: images/<aa>/<sha256>.jpg
        pa.field("image_width", pa.int32(), nullable=False),
        pa.field("image_height", pa.int32(), nullable=False),
        pa.field("source_uri", pa.string(), nullable=False),  # where the shop keeps the image
        pa.field("source_sha256", pa.string(), nullable=False),  # of the shop's own bytes
        pa.field("text_sha256", pa.string(), nullable=False),  # of every text field: tells a text change
    ]
)

#: One row per further image of a product, in the shop's order. A catalogue has this table where a product has some.
FURTHER_IMAGES = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # 1 is the first after the item's own
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("source_uri", pa.string(), nullable=False),  # where the shop keeps it
    ]
)
FURTHER_IMAGES_FILE = "further_images.parquet"

#: One row per refused row of the source.
REJECTS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # position in the source, 0-based
        pa.field("item_id", pa.string(), nullable=False),  # "" where the row has none
        pa.field("reason", pa.string(), nullable=False),  # a code of REJECT_REASONS
        pa.field("detail", pa.string(), nullable=False),  # what was found
        pa.field("source", pa.string(), nullable=False),  # file and line, or image URI
    ]
)

#: What may have happened to an item between two catalogues: see `tasks.catalog.changes.Changes`.
CHANGE_KINDS = ("unchanged", "metadata_only", "text_changed", "image_changed", "new", "gone")

#: One row per item that is not unchanged.
CHANGES = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("change", pa.string(), nullable=False),  # one of CHANGE_KINDS
    ]
)

#: One row per place of a shop at which an image was looked for: what lay there when it was last read.
SOURCES = pa.schema(
    [
        pa.field("location", pa.string(), nullable=False),  # as the source was asked: relative to its root, or a URI
        pa.field("version", pa.string(), nullable=False),  # the source's tag of the file, never ""
        pa.field("source_sha256", pa.string(), nullable=False),  # these four are "" and 0 for an image that was refused
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("image_width", pa.int32(), nullable=False),
        pa.field("image_height", pa.int32(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # a code of REJECT_REASONS, "" for a good image
        pa.field("detail", pa.string(), nullable=False),
    ]
)

REJECT_REASONS = (
    "malformed_row",
    "not_utf8",
    "missing_id",
    "duplicate_id",
    "missing_title",
    "missing_picture",  # the row names none
    "picture_not_found",  # the row names one, nothing is there
    "picture_outside_root",
    "picture_empty",  # zero bytes
    "picture_unreadable",
    "picture_truncated",
    "picture_too_large",  # bytes or pixels
    "picture_too_small",  # nothing to recognise: a tracking pixel, a strip
    "picture_animated",  # of older catalogues; now the first frame is read
    "picture_wrong_type",  # a PDF, an SVG, a text file
)

#: One row per product taken down by hand, which no release shows until it is brought back.
REMOVALS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),  # need not be in the catalogue now: it may come back
        pa.field("reason", pa.string(), nullable=False),
        pa.field("removed_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("run", pa.string(), nullable=False),  # Prefect flow run, "" where there was none
    ]
)

#: Caption kinds in `captions`; also the query types of the evaluation. A kind is absent where the item lacks its words.
CAPTION_KINDS = ("title", "title_without_brand", "attributes", "color_type", "type", "bullet")


def embeddings_schema(dim: int) -> pa.Schema:
    """Schema of one embedding shard: image hash -> L2-normalised float32 vector of ``dim`` numbers."""
    return pa.schema(
        [
            pa.field("image_sha256", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )
