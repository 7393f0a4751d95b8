"""Read a shop as one catalogue: a table of items, a table of refused rows, and the figures of both."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.abo import is_abo, read_abo
from tasks.catalog.captions import captions_of
from tasks.catalog.catalog_summary import summary_of
from tasks.catalog.categories import class_of
from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_names import ForgivingFiles
from tasks.catalog.image_reader import ImageReader, SourceImage, StoredImage
from tasks.catalog.images import ImageFault, ImageLimits
from tasks.catalog.listing import Listing, Reject, SourceRows
from tasks.catalog.placeholders import Placeholder, find_placeholders
from tasks.catalog.product_images import further_images, read_further_images, read_images, uri_of
from tasks.catalog.sources import known_sources, sources_table
from tasks.catalog.splits import Known, Member, designs_and_splits
from tasks.catalog.subset import choose_subset
from tasks.catalog.table import read_table
from tasks.catalog.tables.open_table import table_shards
from tasks.schema.errors import CatalogError
from tasks.schema.files import SourceFiles
from tasks.schema.manifest import canonical_json
from tasks.schema.progress import Progress, silent
from tasks.schema.tables import ITEMS, REJECTS

_BLOCK = 8_192  # rows that are Python objects at once: each takes two kilobytes


@dataclass(frozen=True)
class PreparedCatalog:
    """``items`` sorted by item_id (ITEMS schema), ``rejects`` by row (REJECTS schema), ``summary`` is plain JSON.

    ``further_images`` (FURTHER_IMAGES schema) are sorted by item_id and position. ``sources`` (SOURCES schema) is what
    to hand to the next reading of the same shop.
    """

    items: pa.Table
    further_images: pa.Table
    rejects: pa.Table
    sources: pa.Table
    summary: dict[str, Any]


class TooManyRejects(CatalogError):
    """Raised when more rows were refused than allowed, or all were. ``rejects`` is the table of all of them."""

    def __init__(self, message: str, rejects: pa.Table | None = None) -> None:
        super().__init__(message)
        self.rejects = REJECTS.empty_table() if rejects is None else rejects


def prepare_catalog(
    config: CatalogConfig,
    files: SourceFiles,
    *,
    write_image: Callable[[str, bytes], None],
    parent: pa.Table | None = None,
    sources: pa.Table | None = None,
    progress: Progress = silent,
) -> PreparedCatalog:
    """Read the shop at ``files`` (opened at ``config.root``).

    ``write_image(sha256, jpeg)`` is called once for each distinct image that is read, from several threads.
    ``parent`` is the previous catalogue's items: they keep their splits. ``sources`` is what lay at each location when
    the shop was last read: an image whose version still holds is not read. Raises CatalogError when the source is no
    catalogue, TooManyRejects when too much of it was refused, TransientError when its server did not answer.
    """
    progress(0.0, f"reading {config.source}")
    source = read_table(config, files) if reads_table(config, files) else read_abo(config, files)
    for listing in source.listings:
        listing.category_l1 = listing.category_l1 or class_of(
            listing.category, listing.product_type, config.category_level
        )
    picked = _picked(config, source.listings, parent)
    limits = ImageLimits(config.picture_max_bytes, config.picture_max_pixels, config.picture_side)
    forgiving = ForgivingFiles(files, source.embedded)
    reader = ImageReader(forgiving, write_image, limits, config.picture_threads, known_sources(sources))
    first_images = [listing.image for listing in picked]
    images = read_images(reader, picked, lambda share, message: progress(0.05 + 0.7 * share, message))
    good, refused = _by_image(picked, images)
    rejects = _rejects_table([*source.rejects, *refused])
    _check(config, source, len(picked), len(refused), rejects)
    items = _items_table(good, config, parent)
    placeholders = find_placeholders(items)
    items = _unused(items, placeholders)
    kept = [listing for listing, _ in good]
    images |= read_further_images(
        reader, kept, config, lambda share, message: progress(0.75 + 0.2 * share, f"further {message}")
    )
    further = further_images(kept, images, config)
    progress(1.0, f"{items.num_rows:,} items, {rejects.num_rows:,} rows refused")
    summary = summary_of(config, source, len(picked), items, rejects) | {
        "pictures_read": reader.images_read,
        "pictures_found_respelled": forgiving.respelled,
        "further_pictures": further.num_rows,
        "pictures_replaced": sum(listing.image != first for listing, first in zip(picked, first_images, strict=True)),
    }
    summary["warnings"] += [placeholder.warning for placeholder in placeholders]
    return PreparedCatalog(items, further, rejects, sources_table(images), summary)


def reads_table(config: CatalogConfig, files: SourceFiles) -> bool:
    """Whether the shop is a table, or a folder of tables, and no ABO export."""
    if config.names_table or config.format == "abo":
        return config.names_table
    return config.format != "auto" or (not is_abo(files) and bool(table_shards(files, config.table)))


def _picked(config: CatalogConfig, listings: list[Listing], parent: pa.Table | None) -> list[Listing]:
    if config.max_items is None:
        return listings
    incumbents = set(parent.column("item_id").to_pylist()) if parent is not None else set()
    return choose_subset(listings, config.max_items, config.split_seed, incumbents)


def _by_image(
    listings: Sequence[Listing], images: Mapping[str, SourceImage]
) -> tuple[list[tuple[Listing, StoredImage]], list[Reject]]:
    """Listings with their image, sorted by item_id, and those whose image cannot be used."""
    good, refused = [], []
    for listing in listings:
        found = images[listing.image].found
        if isinstance(found, ImageFault):
            source = f"{listing.source} {listing.image}"
            refused.append(Reject(listing.row, listing.item_id, found.reason, found.detail, source))
        else:
            good.append((listing, found))
    good.sort(key=lambda pair: pair[0].item_id)
    return good, refused


def _rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    ordered = sorted(rejects, key=lambda reject: (reject.row, reject.reason))
    return pa.table({name: [getattr(reject, name) for reject in ordered] for name in REJECTS.names}, schema=REJECTS)


def _check(config: CatalogConfig, source: SourceRows, picked: int, refused: int, rejects: pa.Table) -> None:
    """Raise TooManyRejects when nothing is left, or more was refused than ``max_reject_share``."""
    share = reject_share(source.rows, len(source.rejects), picked, refused)
    if picked > refused and share <= config.max_reject_share:
        return
    if not source.rows:
        raise TooManyRejects(f"{config.source} has no rows: expected at least one product.", rejects)
    found = f"{rejects.num_rows:,} of {source.rows:,} rows of {config.source} were refused ({share:.1%}"
    allowed = f", allowed are {config.max_reject_share:.1%})" if picked > refused else "), no item is left)"
    reasons = "; ".join(_commonest(rejects))
    raise TooManyRejects(
        f"{found}{allowed}. Commonest: {reasons}. Every refused row stands in the rejects table of this run, with its "
        "reason. Mend the shop's data or the parameters, or raise max_reject_share if this is as it should be.",
        rejects,
    )


def reject_share(rows: int, row_rejects: int, picked: int, image_rejects: int) -> float:
    """Share of the source that was refused; of a subset's images, their share stands for the rest."""
    of_rows = row_rejects / rows if rows else 1.0
    of_images = image_rejects / picked if picked else 0.0
    return 1 - (1 - of_rows) * (1 - of_images)


def _commonest(rejects: pa.Table) -> list[str]:
    """The three commonest reasons, each with its count and an example."""
    rows = rejects.to_pylist()
    counts = Counter(row["reason"] for row in rows)
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["reason"], row)
    return [
        f"{reason} {count:,} times (e.g. row {first[reason]['row']}, {first[reason]['source']}: "
        f"{first[reason]['detail']})"
        for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    ]


def _items_table(
    good: Sequence[tuple[Listing, StoredImage]], config: CatalogConfig, parent: pa.Table | None
) -> pa.Table:
    listings, images = [one for one, _ in good], [image.sha256 for _, image in good]
    shares = config.train_share, config.val_share
    designs, splits = designs_and_splits(listings, images, config.split_seed, *shares, _known(parent))
    rows = [(*pair, design, split) for pair, design, split in zip(good, designs, splits, strict=True)]
    blocks = [_block(rows[start : start + _BLOCK], config.root) for start in range(0, len(rows), _BLOCK)]
    return pa.concat_tables([ITEMS.empty_table(), *blocks]).combine_chunks()  # one piece: the same bytes as ever


def _unused(items: pa.Table, placeholders: Sequence[Placeholder]) -> pa.Table:
    """The items, those with a placeholder for an image neither trained nor measured on."""
    if not placeholders:
        return items
    shown = pc.is_in(items["image_sha256"], pa.array([placeholder.image_sha256 for placeholder in placeholders]))
    split = pc.if_else(shown, "unused", items["split"]).combine_chunks()
    return items.set_column(ITEMS.get_field_index("split"), ITEMS.field("split"), split)


def _block(rows: Sequence[tuple[Listing, StoredImage, str, str]], root: str) -> pa.Table:
    found = [_row(listing, image, group_id, split, root) for listing, image, group_id, split in rows]
    return pa.table({name: [row[name] for row in found] for name in ITEMS.names}, schema=ITEMS)


def _known(parent: pa.Table | None) -> Known | None:
    if parent is None:
        return None
    columns = parent.select(["item_id", "group_id", "image_sha256", "split"]).to_pydict()
    members = map(Member, columns["item_id"], columns["group_id"], columns["image_sha256"])
    return Known.of(members, columns["split"])


def _row(listing: Listing, image: StoredImage, group_id: str, split: str, root: str) -> dict[str, Any]:
    texts = {
        "title": listing.title,
        "description": listing.description,
        "brand": listing.brand,
        "category": "/".join(listing.category),
        "product_type": listing.product_type,
        "color": listing.color,
        "material": listing.material,
        "pattern": listing.pattern,
    }
    return texts | {
        "item_id": listing.item_id,
        "group_id": group_id,
        "split": split,
        "category_l1": listing.category_l1,
        "price": listing.price,
        "language": listing.language,
        "captions": list(captions_of(listing).items()),
        "attributes": sorted(listing.attributes.items()),
        "image_sha256": image.sha256,
        "image_width": image.width,
        "image_height": image.height,
        "source_uri": uri_of(listing.image, root),
        "source_sha256": image.source_sha256,
        "text_sha256": hashlib.sha256(canonical_json(texts).encode()).hexdigest(),
    }
