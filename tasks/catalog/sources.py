"""What lay at each place of a shop when it was last read, so that a picture nobody touched is not read again."""

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import SourcePicture, StoredPicture
from tasks.catalog.images import PictureFault
from tasks.schema.manifest import canonical_json
from tasks.schema.tables import SOURCES

#: Raised when the same bytes would be judged or stored otherwise. Not the version of Pillow: a picture stored by an
#: older one is as good, and reading it again would change its hash and have it embedded again.
RECIPE = 1


def sources_id(config: CatalogConfig, root: str) -> str:
    """Names what is known of the shop at ``root`` as read with these limits: others would judge otherwise."""
    limits = [config.picture_side, config.picture_max_bytes, config.picture_max_pixels]
    return hashlib.sha256(canonical_json([root, limits, RECIPE]).encode()).hexdigest()[:16]


def sources_table(pictures: Mapping[str, SourcePicture]) -> pa.Table:
    """The SOURCES table of every location that has a version, sorted."""
    rows = [_row(location, picture) for location, picture in sorted(pictures.items()) if picture.version]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(SOURCES.names)}, schema=SOURCES)


def known_sources(table: pa.Table | None) -> dict[str, SourcePicture]:
    """Each location of a SOURCES table -> what lay there."""
    if table is None:
        return {}
    return {
        location: SourcePicture(
            version, PictureFault(reason, detail) if reason else StoredPicture(sha256, width, height, source_sha256)
        )
        for location, version, source_sha256, sha256, width, height, reason, detail in zip(
            *(table[name].to_pylist() for name in SOURCES.names), strict=True
        )
    }


def _row(location: str, picture: SourcePicture) -> tuple[object, ...]:
    found = picture.found
    if isinstance(found, PictureFault):
        return location, picture.version, "", "", 0, 0, found.reason, found.detail
    return location, picture.version, found.source_sha256, found.sha256, found.width, found.height, "", ""
