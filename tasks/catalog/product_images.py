"""Which of a product's images is its own, and which further ones can be used."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.image_reader import ImageReader
from tasks.schema.progress import Progress, silent
from tasks.schema.tables import FURTHER_IMAGES

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageLists:
    """Where the images of each product are, in the shop's order, one product after another.

    Product i has those from ``start[i]``, which is its own, to before ``end[i]``.
    """

    locations: pa.Array
    start: Numbers
    end: Numbers

    @classmethod
    def of(cls, lists: pa.ChunkedArray) -> "ImageLists":
        """From a column of lists of locations, none of them empty."""
        one = lists.combine_chunks()
        offsets = one.offsets.to_numpy().astype(np.int64)
        return cls(one.values, offsets[:-1].copy(), offsets[1:])

    @property
    def own(self) -> pa.Array:
        """Where each product's own image is."""
        return self.locations.take(pa.array(self.start))

    def take(self, rows: Numbers) -> "ImageLists":
        """Of these products alone."""
        return ImageLists(self.locations, self.start[rows], self.end[rows])

    def further(self, most: int) -> tuple[Numbers, pa.Array]:
        """At most ``most`` images of each product after its own: which product, and where."""
        counts = np.minimum(self.end - self.start - 1, most)
        rows = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.locations.take(pa.array(self.start[rows] + 1 + within))


def read_images(reader: ImageReader, lists: ImageLists, progress: Progress) -> tuple[ImageLists, pa.Table]:
    """What is at the own image of each product (SOURCES). One whose image cannot be used takes the next that can."""
    images = reader.read_all(lists.own, progress)
    while (faulty := _faults(lists, images) & (lists.start + 1 < lists.end)).any():
        lists = ImageLists(lists.locations, lists.start + faulty, lists.end)
        images = read_more(reader, images, lists.take(np.flatnonzero(faulty)).own, silent)
    return lists, images


def read_more(reader: ImageReader, images: pa.Table, locations: pa.Array, progress: Progress) -> pa.Table:
    """``images`` and what is at those of ``locations`` that are not among them."""
    unread = locations.filter(pc.invert(pc.is_in(locations, value_set=images["location"])))
    return pa.concat_tables([images, reader.read_all(unread, progress)]) if len(unread) else images


def found_at(images: pa.Table, locations: pa.Array) -> pa.Table:
    """What is at each of ``locations``, row by row."""
    return images.take(pc.index_in(locations, value_set=images["location"]))


def _faults(lists: ImageLists, images: pa.Table) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.not_equal(
        found_at(images.select(["location", "reason"]), lists.own)["reason"], ""
    ).to_numpy()
    return found


def further_images(item_ids: pa.Array, lists: ImageLists, images: pa.Table, root: str, most: int) -> pa.Table:
    """The FURTHER_IMAGES table: what else of each product can be used, at most ``most``, each image once."""
    rows, locations = lists.further(most)
    found, own = found_at(images, locations)["image_sha256"], found_at(images, lists.own)["image_sha256"]
    usable = pc.and_(pc.not_equal(found, ""), pc.not_equal(found, own.take(pa.array(rows)))).to_numpy()
    codes = pc.index_in(found, value_set=pc.unique(found)).to_numpy().astype(np.int64)
    places = np.flatnonzero(usable)
    once = np.unique(np.stack([rows, codes])[:, places], axis=1, return_index=True)[1]
    places = places[np.sort(once)]
    rows = rows[places]
    first = np.searchsorted(rows, rows)  # rows rise: where each product's begin
    return pa.table(
        {
            "item_id": item_ids.take(pa.array(rows)),
            "position": pa.array(1 + np.arange(len(rows)) - first, pa.int32()),
            "image_sha256": found.take(pa.array(places)),
            "source_uri": uris_of(locations.take(pa.array(places)), root),
        },
        schema=FURTHER_IMAGES,
    ).combine_chunks()


def uris_of(locations: pa.Array, root: str) -> pa.Array:
    """The whole address of each image of the shop at ``root``."""
    whole = pc.match_substring(locations, "://")
    return pc.if_else(whole, locations, pc.binary_join_element_wise(root.rstrip("/"), locations, "/"))
