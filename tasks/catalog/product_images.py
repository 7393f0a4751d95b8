"""Which of a product's images is its own, and which further ones can be used."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import ImageReader, SourceImage, StoredImage
from tasks.catalog.images import ImageFault
from tasks.catalog.listing import Listing
from tasks.schema.progress import Progress, silent
from tasks.schema.tables import FURTHER_IMAGES


def read_images(reader: ImageReader, listings: Sequence[Listing], progress: Progress) -> dict[str, SourceImage]:
    """What is at each location. A listing whose image cannot be used takes the next that can."""
    images = reader.read_all([listing.image for listing in listings], progress)
    waiting = [listing for listing in listings if listing.further_images]
    while waiting := [one for one in waiting if one.further_images and isinstance(images[one.image].found, ImageFault)]:
        images |= reader.read_all([one.further_images[0] for one in waiting], silent)
        for one in waiting:
            one.image, one.further_images = one.further_images[0], one.further_images[1:]
    return images


def read_further_images(
    reader: ImageReader, listings: Sequence[Listing], config: CatalogConfig, progress: Progress
) -> dict[str, SourceImage]:
    """What is at each location of the listings' further images, as many of each as the config asks for."""
    return reader.read_all([location for listing in listings for location in _further(listing, config)], progress)


def _further(listing: Listing, config: CatalogConfig) -> Sequence[str]:
    return listing.further_images[: config.images_per_product - 1]


def further_images(listings: Sequence[Listing], images: Mapping[str, SourceImage], config: CatalogConfig) -> pa.Table:
    """The FURTHER_IMAGES table: what else of each listing can be used, each image once."""
    rows: list[tuple[str, int, str, str]] = []
    for listing in listings:
        seen = {_sha256(images[listing.image])}
        for location in _further(listing, config):
            sha256 = _sha256(images[location])
            if sha256 and sha256 not in seen:
                rows.append((listing.item_id, len(seen), sha256, uri_of(location, config.root)))
                seen.add(sha256)
    columns = zip(*rows, strict=True) if rows else ([] for _ in FURTHER_IMAGES.names)
    return pa.table(dict(zip(FURTHER_IMAGES.names, map(list, columns), strict=True)), schema=FURTHER_IMAGES)


def _sha256(image: SourceImage) -> str:
    return image.found.sha256 if isinstance(image.found, StoredImage) else ""


def uri_of(location: str, root: str) -> str:
    """The whole address of an image of the shop at ``root``."""
    return location if "://" in location else f"{root.rstrip('/')}/{location}"
