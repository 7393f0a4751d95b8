"""The live pointer: which release a channel serves. `tasks.store.releases.swap` moves it."""

import logging
import re
from dataclasses import dataclass

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError
from tasks.schema.release import CHANNEL, LivePointer, Release
from tasks.store.objects.checksum import verify_record
from tasks.store.objects.store import Store
from tasks.store.releases.releases import read_release

FOLDER = "live"
LOG = f"{FOLDER}/log"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveState:
    """A channel's pointer as it was read, and the tag that a later swap compares with."""

    pointer: LivePointer
    etag: str


def live_path(channel: str) -> str:
    """Path of a channel's pointer. Raises ConfigError."""
    if not re.fullmatch(CHANNEL, channel):
        raise ConfigError(f"{channel!r:.60} is not a channel; expected lower-case letters, digits and '-'")
    return f"{FOLDER}/{channel}.json"


def read_live(store: Store, channel: str, known: LiveState | None = None) -> LiveState | None:
    """What a channel serves now, None where nothing was ever published. Raises ArtifactCorrupt, StoreUnavailable.

    ``known`` is returned as it is where the pointer has not moved since: a server is then asked with its tag and
    answers without a body.
    """
    path = live_path(channel)
    try:
        found = store.objects.read_if_changed(path, known.etag if known else None)
    except ArtifactMissing:
        return None
    if found is None:
        return known
    data, etag = found
    return LiveState(verify_record(data, store.url(path), LivePointer, "delete it and publish"), etag)


def log_path(channel: str, generation: int) -> str:
    """Path of the audit copy of one generation's pointer. Raises ConfigError."""
    live_path(channel)
    return f"{LOG}/{channel}/{generation:012d}.json"


def live_release(store: Store, channel: str) -> Release | None:
    """The release that a channel serves; None where nothing was published, or its record is damaged."""
    return release_of(store, read_live(store, channel))


def release_of(store: Store, state: LiveState | None) -> Release | None:
    """The release of a pointer. None and a warning where it is damaged, so that a sound one can still replace it."""
    try:
        return read_release(store, state.pointer.release) if state else None
    except (ArtifactCorrupt, ArtifactMissing) as error:
        _log.warning("what is live cannot be read: %s", error)
        return None


def list_channels(store: Store) -> list[str]:
    """Channels that something was published to, sorted."""
    names = [info.path.removeprefix(f"{FOLDER}/") for info in store.list(FOLDER)]
    return [name.removesuffix(".json") for name in names if name.endswith(".json") and "/" not in name]
