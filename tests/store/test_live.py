"""The live pointer: one winner, a generation that only rises, and the truth after a lost answer."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, PublishConflict, StoreUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import LivePointer, Release
from tasks.store.objects.store import Store
from tasks.store.releases import publish_lock
from tasks.store.releases.conditional_writes import probe
from tasks.store.releases.live import LiveState, list_channels, read_live
from tasks.store.releases.releases import list_releases, read_release, release_path, write_release
from tasks.store.releases.swap import swap_live

_CHECKOUT = Path(__file__).resolve().parents[2]


def a_release(release_id: str, items: int = 5, **more: object) -> Release:
    return Release(
        id=release_id,
        created_at=more.pop("created_at", datetime.now(UTC)),
        catalog=ArtifactRef(kind="catalog", id="c1"),
        model=ArtifactRef(kind="model", id="m1"),
        index=ArtifactRef(kind="index", id="i1"),
        items=items,
        **more,
    )


def publish(store: Store, release_id: str, expected: LiveState | None, run: str | None = None) -> LivePointer:
    return swap_live(store, "main", release_id, reason="publish", run=run, expected=expected)


@pytest.fixture
def quick_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_lock, "_SETTLING", 0.2)
    monkeypatch.setattr(publish_lock, "_PAUSE", 0.02)


def test_publish_and_roll_back(store: Store, quick_lock: None) -> None:
    assert read_live(store, "main") is None
    for release_id in ("r1", "r2"):
        write_release(store, a_release(release_id))
    publish(store, "r1", None, "run-1")
    first = read_live(store, "main")
    assert first is not None and first.pointer.generation == 1 and first.pointer.previous is None
    publish(store, "r2", first, "run-2")
    back = swap_live(store, "main", "r1", reason="rollback", run="run-3", expected=read_live(store, "main"))
    assert (back.release, back.previous, back.generation) == ("r1", "r2", 3)
    now = read_live(store, "main")
    assert now is not None and now.pointer == back
    assert list_channels(store) == ["main"]


def test_the_loser_gets_a_conflict_and_nothing_changes(store: Store, quick_lock: None) -> None:
    for release_id in ("r1", "r2", "r3"):
        write_release(store, a_release(release_id))
    publish(store, "r1", None)
    stale = read_live(store, "main")
    publish(store, "r2", stale)
    for expected in (stale, None):
        with pytest.raises(PublishConflict, match=r"r2 \(generation 2"):
            publish(store, "r3", expected)
    now = read_live(store, "main")
    assert now is not None and now.pointer.release == "r2" and now.pointer.generation == 2


def test_a_deleted_pointer_is_a_conflict(store: Store, quick_lock: None) -> None:
    write_release(store, a_release("r1"))
    publish(store, "r1", None)
    before = read_live(store, "main")
    store.delete("live/main.json")
    with pytest.raises(PublishConflict, match="serves nothing"):
        publish(store, "r1", before)
    assert read_live(store, "main") is None


def test_the_same_run_again_is_no_conflict(folder_store: Store) -> None:
    write_release(folder_store, a_release("r1"))
    first = publish(folder_store, "r1", None, "run-1")
    assert publish(folder_store, "r1", None, "run-1") == first
    with pytest.raises(PublishConflict):
        publish(folder_store, "r1", None, "run-2")
    with pytest.raises(PublishConflict):
        publish(folder_store, "r1", None, None)


def test_only_an_existing_release_can_go_live(folder_store: Store) -> None:
    with pytest.raises(ArtifactMissing, match="no release r9"):
        publish(folder_store, "r9", None)
    for channel in ("", "Main", "a/b", "../x"):
        with pytest.raises(ConfigError):
            read_live(folder_store, channel)


def test_a_damaged_pointer_is_an_error(folder_store: Store) -> None:
    for data in (b"", b"{", b'{"release": "r1"}'):
        folder_store.write_bytes("live/main.json", data)
        with pytest.raises(ArtifactCorrupt, match="live/main"):
            read_live(folder_store, "main")


@pytest.mark.s3
def test_the_probe_tells_honest_servers_from_others(
    folder_store: Store, moto_store: Store, gateway_store: Store
) -> None:
    assert probe(folder_store).conditional
    assert probe(moto_store).conditional
    found = probe(gateway_store)
    assert not found.if_match and not found.if_none_match
    assert "If-None-Match and If-Match" in found.detail
    for store in (folder_store, moto_store, gateway_store):
        assert store.list() == []
        assert not store.exists("live/.probe") and probe(store) is probe(store)


_RACER = """
import json, random, sys, time
from tasks.schema.errors import PublishConflict
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.swap import swap_live
name, uri, swaps, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
store = open_store(StoreSettings(store_uri=uri))
won, lost = [], 0
while time.time() < start:
    time.sleep(0.001)
for i in range(swaps):
    expected = read_live(store, "main")
    time.sleep(random.uniform(0, 0.004))
    try:
        won.append(swap_live(store, "main", "r1", reason=name, run=f"{name}-{i}", expected=expected).generation)
    except PublishConflict:
        lost += 1
print(json.dumps([won, lost]))
"""


def test_processes_that_race_on_a_folder_have_one_winner_each_time(folder_store: Store) -> None:
    write_release(folder_store, a_release("r1"))
    start = str(time.time() + 4)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, name, folder_store.root, "40", start],
            cwd=_CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    results = [json.loads(racer.communicate(timeout=120)[0]) for racer in racers]
    won = [generation for wins, _ in results for generation in wins]
    lost = sum(losses for _, losses in results)
    assert sorted(won) == list(range(1, len(won) + 1)), "a generation was won twice, or left out"
    assert all(wins == sorted(wins) for wins, _ in results)
    assert len(won) + lost == 120 and lost > 0, "nobody ever raced"
    now = read_live(folder_store, "main")
    assert now is not None and now.pointer.generation == len(won)


def _race(store: Store, rounds: int, racers: int) -> None:
    write_release(store, a_release("r1"))
    for generation in range(1, rounds + 1):
        expected = read_live(store, "main")
        barrier, outcomes = threading.Barrier(racers), []

        def swap(
            name: str,
            expected: LiveState | None = expected,
            barrier: threading.Barrier = barrier,
            outcomes: list[object] = outcomes,
        ) -> None:
            barrier.wait()
            try:
                outcomes.append(publish(store, "r1", expected, name))
            except PublishConflict as error:
                outcomes.append(error)

        threads = [threading.Thread(target=swap, args=(f"run-{generation}-{i}",)) for i in range(racers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [outcome for outcome in outcomes if isinstance(outcome, LivePointer)]
        assert len(outcomes) == racers and len(winners) == 1
        now = read_live(store, "main")
        assert now is not None and now.pointer == winners[0] and now.pointer.generation == generation


@pytest.mark.s3
def test_threads_that_race_on_s3_have_one_winner_each_time(moto_store: Store) -> None:
    _race(moto_store, rounds=30, racers=3)


@pytest.mark.s3
def test_the_lock_lets_one_publisher_win_where_conditions_are_ignored(
    gateway_store: Store, quick_lock: None, caplog: pytest.LogCaptureFixture
) -> None:
    _race(gateway_store, rounds=4, racers=3)
    assert "Publishing under a lock" in caplog.text
    assert not gateway_store.exists("live/main.lock")


@pytest.mark.s3
def test_the_lock_of_a_dead_publisher_runs_out(
    gateway_store: Store, quick_lock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(gateway_store, a_release("r1"))
    gateway_store.write_json("live/main.lock", {"owner": "dead", "expires": time.time() + 1.5})
    began = time.time()
    publish(gateway_store, "r1", None)
    assert time.time() - began > 1.0
    monkeypatch.setattr(publish_lock, "_EXPIRES_AFTER", 0.5)
    gateway_store.write_json("live/main.lock", {"owner": "alive", "expires": time.time() + 60})
    with pytest.raises(PublishConflict, match="held by alive"):
        publish(gateway_store, "r1", read_live(gateway_store, "main"))


@pytest.mark.s3
@pytest.mark.parametrize(
    ("faults", "puts"),
    [
        (["lose_answer"], 1),  # landed: found by reading again
        (["drop"], 2),
        ([500, "lose_answer"], 2),
        ([409, 503, "drop"], 4),
    ],
)
def test_after_a_lost_answer_the_pointer_decides(
    proxy, make_moto_store: Callable[..., Store], faults: list[str | int], puts: int
) -> None:
    store = make_moto_store(proxy.endpoint, f"lost-{'-'.join(map(str, faults))}-{time.time_ns()}")
    write_release(store, a_release("r1"))
    publish(store, "r1", None, "run-0")
    probe(store)
    for expected_generation in (2, 3):
        before, put = read_live(store, "main"), proxy.seen[("PUT", "main.json")]
        proxy.faults[("PUT", "/main.json")] = list(faults)
        pointer = publish(store, "r1", before, f"run-{expected_generation}")
        now = read_live(store, "main")
        assert now is not None and now.pointer == pointer and pointer.generation == expected_generation
        assert proxy.seen[("PUT", "main.json")] - put == puts


@pytest.mark.s3
def test_after_a_lost_answer_another_publisher_may_have_won(proxy, make_moto_store: Callable[..., Store]) -> None:
    store = make_moto_store(proxy.endpoint, f"won-{time.time_ns()}")
    for release_id in ("r1", "r2"):
        write_release(store, a_release(release_id))
    publish(store, "r1", None, "run-0")
    before = read_live(store, "main")
    # Ours never lands and its answer is lost; theirs lands before we look.
    proxy.faults[("PUT", "/main.json")] = ["drop"]
    proxy.before[("GET", "/main.json")] = lambda: publish(store, "r2", before, "theirs")
    with pytest.raises(PublishConflict, match="theirs"):
        publish(store, "r1", before, "ours")
    now = read_live(store, "main")
    assert now is not None and now.pointer.run == "theirs" and now.pointer.generation == 2


@pytest.mark.s3
def test_a_store_that_stays_silent_is_no_answer(
    proxy, make_moto_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_moto_store(proxy.endpoint, f"silent-{time.time_ns()}", store_tries=1)
    write_release(store, a_release("r1"))
    probe(store)
    proxy.faults[("PUT", "/main.json")] = ["lose_answer"]
    proxy.faults[("GET", "/main.json")] = [503] * 20
    with pytest.raises(StoreUnavailable, match="may have landed"):
        publish(store, "r1", None, "run-1")
    proxy.faults.clear()
    landed = read_live(store, "main")
    assert landed is not None and landed.pointer.generation == 1
    assert publish(store, "r1", None, "run-1") == landed.pointer  # as its message promises


def test_a_release_is_written_once(store: Store) -> None:
    first = write_release(store, a_release("r1", created_at=datetime(2026, 1, 1, tzinfo=UTC), run="a"))
    again = write_release(store, a_release("r1", run="b", why="retried"))
    assert again == first == read_release(store, "r1")
    with pytest.raises(PublishConflict, match="something else"):
        write_release(store, a_release("r1", items=6))
    write_release(store, a_release("r0", created_at=datetime(2026, 1, 2, tzinfo=UTC)))
    store.write_bytes("releases/bad.json", b"{")
    assert [release.id for release in list_releases(store)] == ["r0", "r1"]
    store.delete(release_path("r0"))
    with pytest.raises(ArtifactMissing, match="no release r0"):
        read_release(store, "r0")


@pytest.mark.s3
@pytest.mark.parametrize("fault", ["lose_answer", "drop", 409, 500])
def test_a_release_survives_a_lost_answer(proxy, make_moto_store: Callable[..., Store], fault: str | int) -> None:
    store = make_moto_store(proxy.endpoint, f"release-{fault}-{time.time_ns()}")
    proxy.faults[("PUT", "/r1.json")] = [fault]
    written = write_release(store, a_release("r1"))
    assert read_release(store, "r1") == written
