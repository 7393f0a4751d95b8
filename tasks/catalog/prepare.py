"""Read a shop as one catalogue: a table of items, a table of refused rows, and the figures of both."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.abo import is_abo, read_abo
from tasks.catalog.catalog_summary import summary_of
from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_names import ForgivingFiles
from tasks.catalog.image_reader import ImageReader
from tasks.catalog.images import ImageLimits
from tasks.catalog.items import items_table
from tasks.catalog.listing import Reject, SourceRows
from tasks.catalog.placeholders import Placeholder, find_placeholders
from tasks.catalog.product_images import ImageLists, Numbers, found_at, further_images, read_images, read_more
from tasks.catalog.sources import sources_table
from tasks.catalog.subset import choose_subset
from tasks.catalog.table import read_table
from tasks.catalog.tables.open_table import table_shards
from tasks.schema.errors import CatalogError
from tasks.schema.files import SourceFiles
from tasks.schema.progress import Progress, silent
from tasks.schema.tables import ITEMS, REJECTS


@dataclass(frozen=True)
class PreparedCatalog:
    """``items`` sorted by item_id (ITEMS schema), ``rejects`` by row (REJECTS schema), ``summary`` is plain JSON.

    ``further_images`` (FURTHER_IMAGES schema) are sorted by item_id and position. ``images`` (SOURCES schema) is what
    was found at every location.
    """

    items: pa.Table
    further_images: pa.Table
    rejects: pa.Table
    images: pa.Table
    summary: dict[str, Any]

    @property
    def sources(self) -> pa.Table:
        """What to hand to the next reading of the same shop (SOURCES schema)."""
        return sources_table(self.images)


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
    picked = _picked(config, source.listings, parent)
    forgiving = ForgivingFiles(files, source.embedded)
    reader = image_reader(config, forgiving, write_image, sources)
    named = ImageLists.of(picked["images"])
    lists, images = read_images(reader, named, lambda share, message: progress(0.05 + 0.7 * share, message))
    is_good, refused = _judged(picked, lists, images)
    rejects = _rejects_table([*source.rejects, *refused])
    _check(config, source, len(picked), len(refused), rejects)
    order = pc.take(pa.array(is_good), pc.sort_indices(picked["item_id"].take(pa.array(is_good)))).to_numpy()
    good, kept = picked.take(pa.array(order)), lists.take(order)
    items = items_table(good, kept, images, config, parent)
    placeholders = find_placeholders(items)
    items = _unused(items, placeholders)
    most = config.images_per_product - 1
    images = read_more(
        reader, images, kept.further(most)[1], lambda share, message: progress(0.75 + 0.2 * share, f"further {message}")
    )
    further = further_images(good["item_id"].combine_chunks(), kept, images, config.root, most)
    progress(1.0, f"{items.num_rows:,} items, {rejects.num_rows:,} rows refused")
    summary = summary_of(config, source, len(picked), items, rejects) | {
        "pictures_read": reader.images_read,
        "pictures_found_respelled": forgiving.respelled,
        "further_pictures": further.num_rows,
        "pictures_replaced": int((lists.start != named.start).sum()),
    }
    summary["warnings"] += [placeholder.warning for placeholder in placeholders]
    return PreparedCatalog(items, further, rejects, images, summary)


def image_reader(
    config: CatalogConfig, files: ForgivingFiles, write_image: Callable[[str, bytes], None], sources: pa.Table | None
) -> ImageReader:
    """A reader of the shop's images, of which ``sources`` (SOURCES) are known."""
    limits = ImageLimits(config.picture_max_bytes, config.picture_max_pixels, config.picture_side)
    return ImageReader(files, write_image, limits, config.picture_threads, sources)


def reads_table(config: CatalogConfig, files: SourceFiles) -> bool:
    """Whether the shop is a table, or a folder of tables, and no ABO export."""
    if config.names_table or config.format == "abo":
        return config.names_table
    return config.format != "auto" or (not is_abo(files) and bool(table_shards(files, config.table)))


def _picked(config: CatalogConfig, listings: pa.Table, parent: pa.Table | None) -> pa.Table:
    if config.max_items is None:
        return listings
    incumbents = set(parent.column("item_id").to_pylist()) if parent is not None else set()
    return choose_subset(listings, config.max_items, config.split_seed, incumbents)


def _judged(listings: pa.Table, lists: ImageLists, images: pa.Table) -> tuple[Numbers, list[Reject]]:
    """Which listings have an image that can be used, and those that have none."""
    found = found_at(images.select(["location", "reason", "detail"]), lists.own)
    is_good = pc.equal(found["reason"], "").to_numpy()
    bad = pa.array(np.flatnonzero(~is_good))
    refused = [
        Reject(
            listing["row"],
            listing["item_id"],
            image["reason"],
            image["detail"],
            f"{listing['source']} {image['location']}",
        )
        for listing, image in zip(
            listings.select(["row", "item_id", "source"]).take(bad).to_pylist(),
            found.take(bad).to_pylist(),
            strict=True,
        )
    ]
    return np.flatnonzero(is_good), refused


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


def _unused(items: pa.Table, placeholders: Sequence[Placeholder]) -> pa.Table:
    """The items, those with a placeholder for an image neither trained nor measured on."""
    if not placeholders:
        return items
    shown = pc.is_in(items["image_sha256"], pa.array([placeholder.image_sha256 for placeholder in placeholders]))
    split = pc.if_else(shown, "unused", items["split"]).combine_chunks()
    return items.set_column(ITEMS.get_field_index("split"), ITEMS.field("split"), split)
