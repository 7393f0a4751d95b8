"""The evaluation report of a release."""

from app.errors import NoReport
from tasks.schema.release import Release
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.manifests import find_manifest
from tasks.store.objects.store import Store

_FILE = "report.html"


class Reports:
    """Reads reports from the store, verified against their manifests."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, release: Release) -> bytes:
        """HTML of the release's report. Raises NoReport, ArtifactCorrupt, StoreUnavailable."""
        ref = release.evaluations.get("report")
        manifest = find_manifest(self._store, ref) if ref else None
        if manifest is None or _FILE not in {entry.path for entry in manifest.files}:
            raise NoReport(f"Release {release.id} was published without an evaluation: only the pipeline makes one.")
        return (fetch(self._store, manifest.ref, only=[_FILE], thorough=True) / _FILE).read_bytes()
