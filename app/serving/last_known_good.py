"""The release that was live when the store last answered, to serve from verified local files during an outage."""

import logging
from pathlib import Path

from app.serving.snapshot import ReleaseFiles
from tasks.schema.errors import ArtifactCorrupt
from tasks.schema.manifest import Manifest
from tasks.schema.release import LivePointer, Release
from tasks.store.objects.checksum import add_checksum, verify_checksum

log = logging.getLogger(__name__)


class LastKnownGood:
    """The last release this machine served on a channel, in one small file of the cache folder."""

    def __init__(self, cache: Path, channel: str) -> None:
        self._path = cache / "app" / f"{channel}.json"

    def write(self, release: Release, pointer: LivePointer, files: ReleaseFiles) -> None:
        """Record ``release``. A cache that cannot be written is logged and otherwise ignored."""
        record = {
            "schema_version": 2,
            "release": release.model_dump(mode="json"),
            "pointer": pointer.model_dump(mode="json"),
            "folders": {role: str(folder) for role, folder in files.folders.items()},
            "manifests": {role: manifest.model_dump(mode="json") for role, manifest in files.manifests.items()},
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".new")
            temporary.write_bytes(add_checksum(record))
            temporary.replace(self._path)
        except OSError as error:
            log.warning("The live release cannot be recorded in %s: %s", self._path, error)

    def read(self) -> tuple[Release, LivePointer, ReleaseFiles] | None:
        """The recorded release, whose files still match their manifests byte for byte; None where there is none.

        Raises ArtifactCorrupt naming the file that does not match.
        """
        if not self._path.is_file():
            return None
        record = verify_checksum(self._path.read_bytes(), self._path.as_uri())
        files = ReleaseFiles(
            {role: Path(folder) for role, folder in record["folders"].items()},
            {role: Manifest.model_validate(manifest) for role, manifest in record["manifests"].items()},
        )
        for role, folder in files.folders.items():
            _verify(folder, files.manifests[role])
        return Release.model_validate(record["release"]), LivePointer.model_validate(record["pointer"]), files


def _verify(folder: Path, manifest: Manifest) -> None:
    for entry in manifest.files:
        path = folder / entry.path
        # files that serving never fetched are absent; loading names one that it needs
        if path.is_file() and not entry.matches(path):
            raise ArtifactCorrupt(
                f"{path} does not match the manifest of {manifest.ref}: delete it, it is fetched again."
            )
