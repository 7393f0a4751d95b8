"""Manifests: what makes a folder in the store an artifact. Read, found, listed."""

from functools import partial

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Kind, Manifest
from tasks.store.objects.checksum import verify_record
from tasks.store.objects.parallel import map_readable
from tasks.store.objects.store import Store

MANIFEST = "manifest.json"


def load_manifest(store: Store, ref: ArtifactRef) -> Manifest:
    """The manifest of an artifact. Raises ArtifactMissing, ArtifactCorrupt."""
    path = f"{ref.folder}/{MANIFEST}"
    try:
        data = store.read_bytes(path)
    except ArtifactMissing as error:
        raise ArtifactMissing(
            f"no {ref.kind} {ref.id} in {store.root}; list what is there, or run the flow that makes it"
        ) from error
    manifest = verify_record(data, store.url(path), Manifest, "make the artifact again with refresh")
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
    found = map_readable(partial(load_manifest, store), refs, f"list of {FOLDERS[kind]}")
    return sorted(found, key=lambda manifest: (manifest.created_at, manifest.id), reverse=True)
