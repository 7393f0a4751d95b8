"""The catalogue that is stored already, where a shop is as it was when it was read: found without reading it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from tasks.catalog import fingerprint
from tasks.catalog.config import CatalogConfig
from tasks.catalog.fingerprint import Fingerprint, WatchedFiles
from tasks.catalog.image_names import ForgivingFiles
from tasks.catalog.prepare import image_reader
from tasks.catalog.sources import sources_id, sources_table
from tasks.schema.manifest import ArtifactRef
from tasks.schema.progress import Progress
from tasks.sources.shop import open_source
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.claims import claim_artifact
from tasks.store.artifacts.images import (
    image_writer,
    read_fingerprint,
    read_sources,
    write_fingerprint,
    write_sources,
)
from tasks.store.objects.store import Store


@dataclass(frozen=True)
class StoredCatalog:
    """A catalogue in the store, its refused rows (REJECTS) and its figures."""

    ref: ArtifactRef
    rejects: pa.Table
    summary: Mapping[str, Any]


class KnownShop:
    """A shop as it is read for a catalogue, and what the store knows of it from the last time.

    ``images`` (SOURCES): what lay at each place, None where nothing is known or all is to be read again.
    """

    def __init__(self, store: Store, config: CatalogConfig, parent: ArtifactRef | None) -> None:
        self._store, self._config, self._parent = store, config, parent
        self._source = open_source(config.root, anonymous=config.anonymous, images_root=config.images_root)
        self.files = WatchedFiles(self._source)
        self._id = sources_id(config, self.files.root)
        self.images = None if config.reread_pictures else read_sources(store, self._id)

    def unchanged(self, progress: Progress) -> StoredCatalog | None:
        """The catalogue that reading would give, where nothing of it changed since it was made; else None.

        What is found of the images meanwhile is known then, so that none is read twice.
        """
        known = self.images
        before = self._fingerprint() if known is not None else None
        if known is None or before is None or not before.answers(self._source):
            return None
        manifest = claim_artifact(self._store, before.catalog)
        if manifest is None:
            return None
        with image_writer(self._store) as write_image:
            reader = image_reader(self._config, ForgivingFiles(self._source, {}), write_image, known)
            images = before.look(reader, known, progress)
        self.images = sources_table(images)
        if not before.shows(images):
            return None
        if not self.images.equals(known):  # another time of the last write, and the same image
            write_sources(self._store, self._id, self.images)
        rejects = fetch_table(self._store, manifest.ref, "rejects.parquet")
        return StoredCatalog(manifest.ref, rejects, manifest.summary | {"pictures_read": reader.images_read})

    def _fingerprint(self) -> Fingerprint | None:
        try:
            found = Fingerprint.model_validate(read_fingerprint(self._store, self._id))
        except ValidationError:  # none, or of another version
            return None
        return found if found.suits(self._config, self._parent) else None

    def remember(self, images: pa.Table, catalog: ArtifactRef) -> None:
        """Keep what was found of the shop (SOURCES), and that it gave this catalogue."""
        sources = sources_table(images)  # the images are stored by now
        if not sources.equals(self.images):
            write_sources(self._store, self._id, sources)
        found = fingerprint.fingerprint(self._config, self.files.asked, images, self._parent, catalog)
        if found is not None:
            write_fingerprint(self._store, self._id, found.model_dump(mode="json"))
