"""Releases: written once, read by every reader."""

import re
from functools import partial

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, PublishConflict, StoreUnavailable
from tasks.schema.release import RELEASE_ID, Release
from tasks.store.artifacts.claims import claim
from tasks.store.artifacts.manifests import MANIFEST
from tasks.store.objects.checksum import add_checksum, verify_record
from tasks.store.objects.interface import ConditionFailed, ConditionsUnsupported
from tasks.store.objects.parallel import map_readable
from tasks.store.objects.retries import attempts
from tasks.store.objects.store import Store

FOLDER = "releases"
_MAY_DIFFER = {"created_at", "run", "why", "schema_version"}


def release_path(release_id: str) -> str:
    """Path of a release's record. Raises ConfigError."""
    if not re.fullmatch(RELEASE_ID, release_id):
        raise ConfigError(f"{release_id!r:.80} is not a release id; expected lower-case letters, digits, '.', '_', '-'")
    return f"{FOLDER}/{release_id}.json"


def write_release(store: Store, release: Release) -> Release:
    """Store a release, which is never overwritten, and return what is stored.

    Repeating it with the same contents (time, run and reason apart) is fine: the first record stays and is returned.
    Raises PublishConflict where the id is taken by a release made of something else, BeingCollected where a part of it
    is being deleted.
    """
    path = release_path(release.id)
    claim(store, [f"{FOLDER}/{release.id}", *map(str, release.refs)])
    data = add_checksum(release.model_dump(mode="json"))
    for attempt in attempts(store.settings.store_tries, StoreUnavailable):
        with attempt:
            if _create(store, path, data):
                return release
            found = read_release(store, release.id)  # also where an earlier attempt succeeded and its answer was lost
            if found.model_dump(exclude=_MAY_DIFFER) != release.model_dump(exclude=_MAY_DIFFER):
                raise PublishConflict(f"{store.url(path)} exists and is made of something else; choose another id")
            return found
    raise AssertionError("unreachable")


def _create(store: Store, path: str, data: bytes) -> bool:
    if store.exists(path):  # the only guard on a server that ignores If-None-Match
        return False
    try:
        store.objects.create(path, data)
    except ConditionFailed:
        return False
    except ConditionsUnsupported:
        store.write_bytes(path, data)
    return True


def read_release(store: Store, release_id: str) -> Release:
    """A release by id. Raises ArtifactMissing, ArtifactCorrupt."""
    path = release_path(release_id)
    try:
        data = store.read_bytes(path)
    except ArtifactMissing as error:
        raise ArtifactMissing(f"no release {release_id} in {store.root}; list the releases and choose one") from error
    release = verify_record(data, store.url(path), Release, "restore the file or publish again")
    if release.id != release_id:
        raise ArtifactCorrupt(f"{store.url(path)} describes release {release.id}; restore the file or publish again")
    return release


def claim_release(store: Store, release_id: str) -> Release | None:
    """A release to build upon or to make live, None where there is none. It is claimed first.

    Raises ArtifactCorrupt, BeingCollected.
    """
    if not store.exists(release_path(release_id)):
        return None
    claim(store, [f"{FOLDER}/{release_id}"])
    try:
        return read_release(store, release_id)
    except ArtifactMissing:
        return None


def check_complete(store: Store, release: Release) -> None:
    """Raise ArtifactMissing naming every artifact of a release that is not in the store."""
    gone = [str(ref) for ref in release.refs if not store.exists(f"{ref.folder}/{MANIFEST}")]
    if gone:
        raise ArtifactMissing(
            f"release {release.id} is not complete: {', '.join(gone)} missing in {store.root}. It cannot go live; "
            f"promote another one, or start the flow that made it again"
        )


def list_releases(store: Store) -> list[Release]:
    """Every release, newest first. A damaged record is logged and left out."""
    ids = [info.path.removeprefix(f"{FOLDER}/").removesuffix(".json") for info in store.list(FOLDER)]
    found = map_readable(partial(read_release, store), ids, "list of releases")
    return sorted(found, key=lambda release: (release.created_at, release.id), reverse=True)
