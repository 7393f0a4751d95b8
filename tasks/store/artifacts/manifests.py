"""Manifests: what makes a folder in the store an artifact."""

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.store.objects.checksum import unseal
from tasks.store.objects.store import Store

MANIFEST = "manifest.json"


def find(store: Store, ref: ArtifactRef) -> Manifest | None:
    """The manifest of an artifact, None where there is none (never made, or not finished). Raises ArtifactCorrupt."""
    try:
        return load_manifest(store, ref)
    except ArtifactMissing:
        return None


def load_manifest(store: Store, ref: ArtifactRef) -> Manifest:
    """The manifest of an artifact. Raises ArtifactMissing, ArtifactCorrupt."""
    path = f"{ref.folder}/{MANIFEST}"
    try:
        manifest = Manifest.model_validate(unseal(store.read_bytes(path), store.url(path)))
    except ArtifactMissing as error:
        raise ArtifactMissing(
            f"no {ref.kind} {ref.id} in {store.root}; list what is there, or run the flow that makes it"
        ) from error
    except ValidationError as error:
        raise ArtifactCorrupt(
            f"{store.url(path)} is no manifest of this version ({error.error_count()} faults, first: "
            f"{error.errors()[0]['msg']}); make the artifact anew with refresh"
        ) from error
    if manifest.ref != ref:
        raise ArtifactCorrupt(f"{store.url(path)} describes {manifest.ref}, expected {ref}; make the artifact anew")
    return manifest
