"""What was at each location of a shop when it was last read, so that an unchanged image is not read again."""

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import SourceImage, StoredImage
from tasks.catalog.images import ImageFault
from tasks.schema.manifest import canonical_json
from tasks.schema.tables import SOURCES

#: Raised when the same bytes would be judged or stored otherwise. Not the version of Pillow: an image stored by an
#: older one is as good, and reading it again would change its hash and have it embedded again.
RECIPE = 1


def sources_id(config: CatalogConfig, root: str) -> str:
    """Names what is known of the shop at ``root`` as read with these limits: others would judge otherwise."""
    limits = [config.picture_side, config.picture_max_bytes, config.picture_max_pixels]
    return hashlib.sha256(canonical_json([root, limits, RECIPE]).encode()).hexdigest()[:16]


def sources_table(images: Mapping[str, SourceImage]) -> pa.Table:
    """The SOURCES table of every location that has a version, sorted."""
    rows = [_row(location, image) for location, image in sorted(images.items()) if image.version]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(SOURCES.names)}, schema=SOURCES)


def known_sources(table: pa.Table | None) -> dict[str, SourceImage]:
    """Each location of a SOURCES table -> what lay there."""
    if table is None:
        return {}
    return {
        location: SourceImage(
            version, ImageFault(reason, detail) if reason else StoredImage(sha256, width, height, source_sha256)
        )
        for location, version, source_sha256, sha256, width, height, reason, detail in zip(
            *(table[name].to_pylist() for name in SOURCES.names), strict=True
        )
    }


def _row(location: str, image: SourceImage) -> tuple[object, ...]:
    found = image.found
    if isinstance(found, ImageFault):
        return location, image.version, "", "", 0, 0, found.reason, found.detail
    return location, image.version, found.source_sha256, found.sha256, found.width, found.height, "", ""
