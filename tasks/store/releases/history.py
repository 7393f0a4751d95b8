"""What a channel served, when and why: the audit log, with each release and its pin."""

from dataclasses import dataclass

from tasks.schema.release import LivePointer, Pin, Release
from tasks.store.objects.parallel import map_readable
from tasks.store.objects.store import Store
from tasks.store.releases.live import LOG, read_live
from tasks.store.releases.pins import list_pins
from tasks.store.releases.releases import list_releases


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
    logged = map_readable(lambda path: LivePointer.model_validate(store.read_json(path)), paths, "history")
    found = {pointer.generation: pointer for pointer in logged}
    if live is not None:
        found[live.pointer.generation] = live.pointer
    releases = {release.id: release for release in list_releases(store)}
    pins = {pin.release: pin for pin in list_pins(store)}
    newest_first = sorted(found.values(), key=lambda pointer: pointer.generation, reverse=True)[:last]
    return [HistoryEntry(pointer, releases.get(pointer.release), pins.get(pointer.release)) for pointer in newest_first]
