"""What was at each location of a shop when it was last read, so that an unchanged image is not read again."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.config import CatalogConfig
from tasks.schema.manifest import canonical_json

#: Raised when the same bytes would be judged or stored otherwise. Not the version of Pillow: an image stored by an
#: older one is as good, and reading it again would change its hash and have it embedded again.
RECIPE = 1


def sources_id(config: CatalogConfig, root: str) -> str:
    """Names what is known of the shop at ``root`` as read with these limits: others would judge otherwise."""
    limits = [config.picture_side, config.picture_max_bytes, config.picture_max_pixels]
    return hashlib.sha256(canonical_json([root, limits, RECIPE]).encode()).hexdigest()[:16]


def sources_table(images: pa.Table) -> pa.Table:
    """Of what was found at each location (SOURCES) what can be known again: has a version. Sorted by location."""
    return images.filter(pc.not_equal(images["version"], "")).sort_by("location").combine_chunks()
