"""Manifests: what makes a folder in the store an artifact. Read, found, listed."""

import logging

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Kind, Manifest
from tasks.store.objects.checksum import verify_checksum
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store

MANIFEST = "manifest.json"
_log = logging.getLogger(__name__)


def load_manifest(store: Store, ref: ArtifactRef) -> Manifest:
    """The manifest of an artifact. Raises ArtifactMissing, ArtifactCorrupt."""
    path = f"{ref.folder}/{MANIFEST}"
    try:
        manifest = Manifest.model_validate(verify_checksum(store.read_bytes(path), store.url(path)))
    except ArtifactMissing as error:
        raise ArtifactMissing(
            f"no {ref.kind} {ref.id} in {store.root}; list what is there, or run the flow that makes it"
        ) from error
    except ValidationError as error:
        raise ArtifactCorrupt(
            f"{store.url(path)} is not a manifest of this version ({error.error_count()} faults, first: "
            f"{error.errors()[0]['msg']}); make the artifact again with refresh"
        ) from error
    if manifest.ref != ref:
        raise ArtifactCorrupt(f"{store.url(path)} describes {manifest.ref}, expected {ref}; make the artifact again")
    return manifest


def find_manifest(store: Store, ref: ArtifactRef) -> Manifest | None:
    """The manifest of an artifact, None where there is none (never made, or not finished). Raises ArtifactCorrupt.

    To build upon the artifact, use `tasks.store.artifacts.claims.claim_artifact`, which also protects it.
    """
    try:
        return load_manifest(store, ref)
    except ArtifactMissing:
        return None


def list_artifacts(store: Store, kind: Kind) -> list[Manifest]:
    """Manifests of every complete artifact of a kind, newest first. A damaged manifest is logged and left out."""
    refs = []
    for info in store.list(FOLDERS[kind]):
        parts = info.path.split("/")
        if len(parts) == 3 and parts[2] == MANIFEST:
            refs.append(ArtifactRef(kind=kind, id=parts[1]))

    def load(ref: ArtifactRef) -> Manifest | None:
        try:
            return find_manifest(store, ref)
        except ArtifactCorrupt as error:
            _log.warning("left out of the list: %s", error)
            return None

    found = [manifest for manifest in map_ordered(load, refs) if manifest is not None]
    return sorted(found, key=lambda manifest: (manifest.created_at, manifest.id), reverse=True)
