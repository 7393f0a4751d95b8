"""What a channel served, when and why: the audit log, with each release and its pin."""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.release import LivePointer, Pin, Release
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store
from tasks.store.releases.live import LOG, read_live
from tasks.store.releases.pins import list_pins
from tasks.store.releases.releases import list_releases

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryEntry:
    """One line of the history: the pointer, its release (None where it was collected), and the pin that keeps it."""

    pointer: LivePointer
    release: Release | None
    pin: Pin | None


def read_history(store: Store, channel: str, last: int = 50) -> list[HistoryEntry]:
    """The ``last`` pointers of a channel, newest first. A damaged entry is logged and left out.

    The pointer that is live now is there even if its publisher died before it wrote the log.
    """
    live = read_live(store, channel)
    paths = [info.path for info in store.list(f"{LOG}/{channel}")][-last:]
    found = {pointer.generation: pointer for pointer in map_ordered(lambda path: _read(store, path), paths) if pointer}
    if live is not None:
        found[live.pointer.generation] = live.pointer
    releases = {release.id: release for release in list_releases(store)}
    pins = {pin.release: pin for pin in list_pins(store)}
    newest_first = sorted(found.values(), key=lambda pointer: pointer.generation, reverse=True)[:last]
    return [HistoryEntry(pointer, releases.get(pointer.release), pins.get(pointer.release)) for pointer in newest_first]


def _read(store: Store, path: str) -> LivePointer | None:
    try:
        return LivePointer.model_validate(store.read_json(path))
    except (ArtifactCorrupt, ArtifactMissing, ValidationError) as error:
        _log.warning("left out of the history: %s: %s", path, error)
        return None
