"""The app's lease: written before a release is loaded, renewed, given back, and never in the way of a query."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.serving import live as app_live
from app.serving import reader_lease as app_lease
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.reader_lease import ReaderLease
from app.settings import AppSettings
from tasks.schema.errors import BeingCollected, StoreUnavailable, TerminalError
from tasks.store.artifacts.claims import deletion_path
from tasks.store.objects.store import Store
from tasks.store.releases.reader_leases import FOLDER, LEASE_LIFETIME

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=0.01, device="cpu")


def leases(store: Store) -> list[list[str]]:
    found = [store.read_json(info.path)["paths"] for info in store.list(FOLDER)]
    return [[path.removeprefix("releases/") for path in paths] for paths in found]


def app_over(shop: TinyShop) -> Live:
    return Live(shop.store, SETTINGS, LastKnownGood(shop.settings.store_cache, SETTINGS.channel))


def served(live: Live) -> str | None:
    snapshot = live.status().snapshot
    return snapshot.release.id if snapshot else None


def test_a_release_is_held_before_anything_of_it_is_read_and_given_back_at_the_end(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, at_reading = app_over(own_store), []

    def read_release(store: Store, release_id: str) -> object:
        at_reading.append(leases(store))
        return real(store, release_id)

    real = app_live.read_release
    monkeypatch.setattr(app_live, "read_release", read_release)
    live.check()
    assert served(live) == "first" and at_reading == [[["first"]]] == [leases(own_store.store)]
    own_store.publish("second")
    with live.acquire():  # a query holds the first while the second is loaded
        live.check()
        assert served(live) == "second" and at_reading[1] == leases(own_store.store) == [["first", "second"]]
    live.check()
    assert leases(own_store.store) == [["second"]]
    live.stop()
    assert leases(own_store.store) == []


def test_a_release_under_deletion_is_not_taken_but_tried_again(own_store: TinyShop) -> None:
    live = app_over(own_store)
    live.check()
    own_store.publish("second")
    own_store.store.write_json(deletion_path("releases/second"), {})
    live.check()
    refused = live.status().refused
    assert served(live) == "first" and refused is not None and "collect_garbage" in refused.reason
    own_store.store.delete(deletion_path("releases/second"))
    for _ in range(1000):
        live.check()
        if served(live) == "second":
            break
    assert served(live) == "second"
    live.stop()


@pytest.mark.parametrize("error", [StoreUnavailable("down"), TerminalError("read only")])
def test_a_store_that_takes_no_lease_is_told_once_and_searched_all_the_same(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(app_lease, "write_lease", refuse)
    monkeypatch.setattr(app_lease, "delete_lease", refuse)
    live = app_over(own_store)
    with caplog.at_level(logging.WARNING, logger="app"):
        live.check()
        own_store.publish("second")
        for _ in range(3):
            live.check()
    assert served(live) == "second"
    assert sum("takes no lease" in record.message for record in caplog.records) == 1
    live.stop()


class TestLease:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        now = [100.0]
        monkeypatch.setattr(app_lease.time, "monotonic", lambda: now[0])
        return lambda seconds: now.__setitem__(0, now[0] + seconds)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        from tasks.store.objects.settings import StoreSettings
        from tasks.store.objects.store import open_store

        return open_store(StoreSettings(store_uri=str(tmp_path)))

    def test_is_renewed_in_time_and_not_at_every_look(self, store: Store, clock: Callable[[float], None]) -> None:
        lease = ReaderLease(store, poll_seconds=5)
        lease.hold([])
        assert store.list(FOLDER) == []
        lease.hold(["r1"])
        (first,) = store.list(FOLDER)
        store.delete(first.path)
        clock(LEASE_LIFETIME.total_seconds() / 5)
        lease.hold(["r1"])
        assert store.list(FOLDER) == []
        clock(LEASE_LIFETIME.total_seconds() / 5)
        lease.hold(["r1"])
        assert [info.path for info in store.list(FOLDER)] == [first.path]

    def test_gets_another_name_where_it_ran_out(self, store: Store, clock: Callable[[float], None]) -> None:
        lease = ReaderLease(store, poll_seconds=5)
        lease.hold(["r1"])
        clock(LEASE_LIFETIME.total_seconds() + 1)
        lease.hold(["r1"])
        assert len(store.list(FOLDER)) == 2  # the collector clears the old one away

    def test_lasts_longer_than_a_slow_app_takes_to_look_again(self, store: Store) -> None:
        ReaderLease(store, poll_seconds=3600).hold(["r1"])
        (info,) = store.list(FOLDER)
        assert store.read_json(info.path)["lasts"] == 4 * 3600

    def test_a_refused_release_is_asked_for_again(self, store: Store) -> None:
        lease = ReaderLease(store, poll_seconds=5)
        store.write_json(deletion_path("releases/r1"), {})
        for _ in range(2):
            with pytest.raises(BeingCollected):
                lease.hold(["r1"])
        store.delete(deletion_path("releases/r1"))
        lease.hold(["r1"])
        assert leases(store) == [["r1"]]
