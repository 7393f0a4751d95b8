"""Garbage collection on each kind of store: a folder, a server with conditional writes, and one without."""

import pytest

from tasks.store.garbage.collector import collect
from tasks.store.garbage.config import GarbageConfig
from tasks.store.objects.store import Store
from tasks.store.releases import publish_lock
from tests.store.small_shop import go_live, missing_of, objects_of, release_of


def test_the_same_goes_and_stays_on_every_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_lock, "_SETTLING", 0.1)
    at_once = GarbageConfig.model_construct(dry_run=False, grace_hours=0.0, abandoned_days=0.0, keep_releases=1)
    releases = [release_of(store, shown, weights=9) for shown in ([1, 2], [3, 4], [4, 5])]
    for release in releases:
        go_live(store, release.id, "run")
    collect(store, at_once)
    assert not any(missing_of(store, release.id) for release in releases)  # the claims of their runs hold them
    for info in store.list("claims"):
        store.delete(info.path)
    for _ in range(2):
        collect(store, at_once)
    assert [bool(missing_of(store, release.id)) for release in releases] == [True, False, False]
    left = {info.path for info in store.list() if info.path.split("/")[0] not in ("live", "tombstones")}
    assert left == objects_of(store, releases[1:])
    assert store.list("tombstones/deleting") == []
