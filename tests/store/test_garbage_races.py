"""Readers, publishers, pins and two collectors at once, one storage call at a time, on a clock that leaps.

After every step: what is live, pinned or under a reader's lease is whole. In the end: only what is needed is left.
"""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import FOLDERS
from tasks.schema.release import Pin
from tasks.store.artifacts import claims
from tasks.store.garbage.collector import MARKS, collect
from tasks.store.garbage.config import GarbageConfig
from tasks.store.garbage.report import Collected
from tasks.store.objects.store import Store
from tasks.store.releases import conditional_writes
from tasks.store.releases import reader_leases as readers
from tasks.store.releases.live import read_live
from tasks.store.releases.pins import delete_pin, list_pins, write_pin
from tasks.store.releases.reader_leases import delete_lease, write_lease
from tasks.store.releases.releases import list_releases
from tests.store.simulated import Actor, Clock, Killed, MemoryObjects, memory_store
from tests.store.small_shop import CHANNEL, go_live, missing_of, objects_of, release_of
from tests.store.test_garbage import use_clock

CONFIG = GarbageConfig(dry_run=False, keep_releases=1)
#: Few shops and few models, so that publishers come back to what an earlier one left.
SHOPS = ((1, 2), (2, 3), (3, 4), (5,))
_FOLDERS = (*FOLDERS.values(), "releases", "embeddings", "images", "claims", "leases", "tombstones")
STEPS = st.integers(1, 40)
NTH = st.integers(0, 9)
_past: list[tuple[dict[str, tuple[bytes, datetime]], timedelta]] = []


def begin_with_a_past(store: Store, clock: Clock) -> None:
    """Months in which every shop was published, and the marks of a collector long ago: the next one deletes."""
    objects: MemoryObjects = store.objects  # type: ignore[assignment]
    if not _past:
        for shop in SHOPS:
            go_live(store, release_of(store, shop, weights=8).id, "past")
            clock.advance(days=10)
        collect(store, CONFIG)
        clock.advance(days=7)
        _past.append((dict(objects.found), clock.passed))
    found, clock.passed = _past[0]  # made once
    objects.found = dict(found)


class Races(RuleBasedStateMachine):
    """Who is at work, and what each reader holds. Every rule takes a step of somebody, or lets time pass."""

    @initialize()
    def open(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        use_clock(self.patch, self.clock)
        self.folder = tempfile.TemporaryDirectory()
        self.store = memory_store(self.clock, Path(self.folder.name))
        self.actors: list[Actor] = []
        self.readers: dict[str, tuple[str, timedelta]] = {}  # reader -> release it read under a lease, and since when
        self.started = 0
        begin_with_a_past(self.store, self.clock)

    def start(self, name: str, run: object) -> None:
        self.started += 1
        self.actors.append(Actor(name, run, self.clock.now()))  # type: ignore[arg-type]

    def at_work(self, name: str) -> int:
        return sum(actor.name == name for actor in self.actors)

    # Who may begin

    @precondition(lambda self: self.at_work("publisher") < 2)
    @rule(shop=st.sampled_from(SHOPS), weights=st.integers(8, 9), publishes=st.booleans())
    def publish(self, shop: tuple[int, ...], weights: int, publishes: bool) -> None:
        run = f"run-{self.started}"

        def build() -> None:
            release = release_of(self.store, shop, weights)
            if publishes:
                go_live(self.store, release.id, run)
                event("published")

        self.start("publisher", build)

    @precondition(lambda self: self.at_work("publisher") < 2)
    @rule(nth=NTH)
    def roll_back(self, nth: int) -> None:
        stored = list_releases(self.store)
        if stored:
            chosen, run = stored[nth % len(stored)].id, f"run-{self.started}"
            self.start("publisher", lambda: go_live(self.store, chosen, run))

    @precondition(lambda self: self.at_work("collector") < 2)
    @rule()
    def collector(self) -> None:
        self.start("collector", lambda: collect(self.store, CONFIG))

    @precondition(lambda self: self.at_work("reader") < 2)
    @rule()
    def reader(self) -> None:
        name = f"reader-{self.started}"

        def follow() -> None:
            state = read_live(self.store, CHANNEL)
            if state is not None:
                begun = self.clock.passed
                write_lease(self.store, name, [state.pointer.release])
                if not missing_of(self.store, state.pointer.release):  # what it needs is there: it serves
                    self.readers[name] = (state.pointer.release, begun)
                    event("read under a lease")

        self.start("reader", follow)

    # Readers and pins, in one piece

    @precondition(lambda self: self.readers)
    @rule(nth=NTH, stops=st.booleans())
    def renew_or_stop(self, nth: int, stops: bool) -> None:
        name = sorted(self.readers)[nth % len(self.readers)]
        release, since = self.readers.pop(name)
        if stops or self.clock.passed - since > readers.LEASE_LIFETIME:
            delete_lease(self.store, name)
        else:
            write_lease(self.store, name, [release])
            self.readers[name] = (release, self.clock.passed)

    @precondition(lambda self: self.at_work("pin") < 1)
    @rule(nth=NTH)
    def pin(self, nth: int) -> None:
        stored = list_releases(self.store)
        if stored:
            chosen = stored[nth % len(stored)].id
            self.start("pin", lambda: write_pin(self.store, Pin(release=chosen)))

    @rule(nth=NTH)
    def unpin(self, nth: int) -> None:
        pinned = list_pins(self.store)
        if pinned and not self.at_work("pin"):
            delete_pin(self.store, pinned[nth % len(pinned)].release)

    # Steps, deaths, and time

    @precondition(lambda self: self.actors)
    @rule(nth=NTH, calls=STEPS)
    def step(self, nth: int, calls: int) -> None:
        self.actors[nth % len(self.actors)].step(calls)
        self.forget_done()

    @precondition(lambda self: self.actors)
    @rule(nth=NTH)
    def finish(self, nth: int) -> None:
        self.actors[nth % len(self.actors)].finish()
        self.forget_done()

    @precondition(lambda self: self.actors)
    @rule(nth=NTH)
    def kill(self, nth: int) -> None:
        self.actors[nth % len(self.actors)].kill()
        self.forget_done()

    @rule(hours=st.sampled_from([0.05, 1.0, 13.0, 25.0, 80.0]))
    def wait(self, hours: float) -> None:
        self.clock.advance(hours=hours)
        for actor in self.actors:  # a claim promises to outlive every run: none goes on longer
            if actor.name == "publisher" and self.clock.now() - actor.begun > claims.CLAIM_LIFETIME:
                actor.kill()
        self.forget_done()

    def forget_done(self) -> None:
        for actor in self.actors:
            if actor.done:
                event(f"{actor.name}: {type(actor.outcome).__name__}")
                assert actor.name != "collector" or isinstance(actor.outcome, (Collected, Killed)), actor.outcome
        self.actors = [actor for actor in self.actors if not actor.done]

    # What must hold

    def must_be_whole(self) -> dict[str, str]:
        state = read_live(self.store, CHANNEL)
        held = {
            release: name
            for name, (release, since) in self.readers.items()
            if self.clock.passed - since <= readers.LEASE_LIFETIME
        }
        if not self.at_work("pin"):  # a pin counts from when writing it returned
            held |= {pin.release: "pinned" for pin in list_pins(self.store)}
        if state is not None:
            held |= {state.pointer.release: "live"}
            if state.pointer.previous:
                held.setdefault(state.pointer.previous, "where a roll-back goes")
        return held

    @invariant()
    def nothing_needed_is_gone(self) -> None:
        for release, why in self.must_be_whole().items():
            assert missing_of(self.store, release) == [], f"{release} is {why}"

    def teardown(self) -> None:
        for actor in self.actors:
            actor.finish()
        self.readers.clear()
        for _ in range(5):
            self.clock.advance(days=4)
            collect(self.store, CONFIG)
            self.nothing_needed_is_gone()
        state = read_live(self.store, CHANNEL)
        pointed = {state.pointer.release, state.pointer.previous} - {None} if state else set()
        wanted = pointed | {pin.release for pin in list_pins(self.store)}
        left = list_releases(self.store)
        assert len({release.id for release in left} - wanted) <= 1  # the newest one
        kept_apart = {info.path for folder in ("live", "pins") for info in self.store.list(folder)} | {MARKS}
        there = {info.path for folder in _FOLDERS for info in self.store.list(folder)} - kept_apart
        assert there == objects_of(self.store, left)
        conditional_writes._probed.clear()
        self.patch.undo()
        self.folder.cleanup()


TestRaces = Races.TestCase
TestRaces.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def oldest(store: Store) -> str:
    return list_releases(store)[-1].id


def use(store: Store, what: str) -> str:
    """Somebody begins to need the release that the collector is about to delete, and returns its id."""
    chosen = oldest(store) if what != "publish" else release_of(store, SHOPS[0], weights=8).id
    if what == "read":
        write_lease(store, "app", [chosen])
        if missing_of(store, chosen):
            raise ArtifactMissing("no release to read any more: the app keeps the one it has")
    elif what == "pin":
        write_pin(store, Pin(release=chosen))
    else:
        go_live(store, chosen, "run")
    return chosen


@pytest.mark.parametrize("first", ["collector", "user"])
@pytest.mark.parametrize("what", ["roll back", "publish", "read", "pin"])
def test_whoever_comes_in_between_two_calls(what: str, first: str, tmp_path: Path) -> None:
    """One of the two stops after each of its calls in turn, while the other runs from beginning to end."""
    ways = {"used": 0, "refused": 0}
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        use_clock(patch, clock)
        store = memory_store(clock, tmp_path)
        for calls in range(1, 1000):
            begin_with_a_past(store, clock)
            collector = Actor("collector", lambda: collect(store, CONFIG), clock.now())
            user = Actor("user", lambda: use(store, what), clock.now())
            stopped, other = (collector, user) if first == "collector" else (user, collector)
            stopped.step(calls)
            if stopped.done:
                break
            other.finish()
            stopped.finish()
            assert not isinstance(collector.outcome, Exception)
            if isinstance(user.outcome, str):
                assert missing_of(store, user.outcome) == [], f"stopped after {calls} calls of the {first}"
                ways["used"] += 1
            else:
                ways["refused"] += 1
        assert calls > 5 and ways["used"] > 0
        conditional_writes._probed.clear()
