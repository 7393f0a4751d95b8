"""The audit log: one entry a generation, none lost to a crash, and what pins add to it."""

from datetime import UTC, datetime

import pytest

from tasks.schema.errors import ArtifactMissing, StoreUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import LivePointer, Pin, Release
from tasks.store.objects.store import Store
from tasks.store.releases import publish_lock
from tasks.store.releases.history import read_history
from tasks.store.releases.live import list_channels, log_path, read_live
from tasks.store.releases.pins import delete_pin, list_pins, write_pin
from tasks.store.releases.releases import release_path, write_release
from tasks.store.releases.swap import swap_live


@pytest.fixture(autouse=True)
def _quick_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_lock, "_SETTLING", 0.1)


def publish(store: Store, release_id: str, channel: str = "main") -> LivePointer:
    refs = {kind: ArtifactRef(kind=kind, id="a1") for kind in ("catalog", "model", "index")}  # type: ignore[arg-type]
    write_release(store, Release(id=release_id, created_at=datetime.now(UTC), items=5, **refs))  # type: ignore[arg-type]
    expected = read_live(store, channel)
    return swap_live(store, channel, release_id, reason=f"publish {release_id}", run="run-1", expected=expected)


def test_every_generation_is_logged(store: Store) -> None:
    swapped = [publish(store, release) for release in ("r1", "r2", "r1")]
    publish(store, "r3", channel="other")
    assert [served.pointer for served in read_history(store, "main")] == swapped[::-1]
    assert [served.pointer.generation for served in read_history(store, "main", last=2)] == [3, 2]
    assert list_channels(store) == ["main", "other"]
    assert read_history(store, "nobody") == []


def test_a_crash_between_swap_and_log_loses_nothing(folder_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(folder_store, "r1")
    with monkeypatch.context() as patch:
        patch.setattr(
            "tasks.store.releases.swap._write_log", lambda *_: (_ for _ in ()).throw(StoreUnavailable("died here"))
        )
        second = publish(folder_store, "r2")
    assert not folder_store.exists(log_path("main", 2))
    assert [served.pointer for served in read_history(folder_store, "main")] == [second, first]
    third = publish(folder_store, "r3")
    assert folder_store.exists(log_path("main", 2))
    assert [served.pointer for served in read_history(folder_store, "main")] == [third, second, first]


def test_no_swap_while_the_log_cannot_be_completed(folder_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(folder_store, "r1")
    second = publish(folder_store, "r2")
    folder_store.delete(log_path("main", 2))
    monkeypatch.setattr(
        "tasks.store.releases.swap._write_log", lambda *_: (_ for _ in ()).throw(StoreUnavailable("full"))
    )
    with pytest.raises(StoreUnavailable, match="full"):
        publish(folder_store, "r3")
    live = read_live(folder_store, "main")
    assert live is not None and live.pointer == second


def test_a_damaged_entry_and_a_collected_release_leave_the_rest_readable(folder_store: Store) -> None:
    for release in ("r1", "r2", "r3"):
        publish(folder_store, release)
    folder_store.write_bytes(log_path("main", 2), b'{"release":')
    folder_store.delete(release_path("r1"))
    served = {line.pointer.generation: line.release for line in read_history(folder_store, "main")}
    assert set(served) == {1, 3} and served[1] is None and served[3] is not None


def test_pins(store: Store) -> None:
    publish(store, "r1")
    publish(store, "r2")
    with pytest.raises(ArtifactMissing, match="no release r9"):
        write_pin(store, Pin(release="r9"))
    pin = Pin(release="r1", reason="figures of the report", pinned_at=datetime.now(UTC), run=None)
    write_pin(store, pin)
    assert list_pins(store) == [pin]
    assert {line.pointer.release: line.pin for line in read_history(store, "main")} == {"r1": pin, "r2": None}
    store.write_bytes("pins/r2.json", b"{")
    assert [found.release for found in list_pins(store)] == ["r1", "r2"]
    for release in ("r1", "r2", "r2"):
        delete_pin(store, release)
    assert list_pins(store) == []
