"""Two publishers let go together, 100 times over: one wins, the other is told, and the log knows every generation.

python -m benchmarks.publish_races                       # about two minutes
python -m benchmarks.publish_races --races 10 --gateway_races 0

Two processes read the live pointer, wait for each other, and swap it to a release of their own. On a folder and on an
S3 server that honours conditional writes (moto) exactly one may win each time: that is the bar. JuiceFS's gateway
ignores conditions, there a lock stands in for them: its figure is printed, and is no bar. Exits with 1 below the bar.
"""

import argparse
import logging
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.servers import running_gateway, running_moto
from tasks.schema.errors import ProductSearchError, PublishConflict
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.history import read_history
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import write_release
from tasks.store.releases.swap import swap_live

CHANNEL = "races"
_PUBLISHERS = ("left", "right")
_PATIENCE = 120.0  # seconds that one publisher waits for the other before a race counts as broken


@dataclass(frozen=True)
class Attempt:
    """How one publisher fared in one race: the generation it made, or the name of the error that told it."""

    generation: int | None
    told: str | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """All races on one store. ``attempts[publisher][race]``; ``faults`` in words, none when all is well."""

    store: str
    attempts: dict[str, list[Attempt]]
    logged: list[int]
    faults: list[str]

    @property
    def races(self) -> int:
        """How many races were run."""
        return len(self.attempts[_PUBLISHERS[0]])

    def line(self) -> str:
        """One line for a person."""
        wins = {name: sum(one.generation is not None for one in mine) for name, mine in self.attempts.items()}
        pairs = zip(*self.attempts.values(), strict=True)
        single = sum(sum(one.generation is not None for one in pair) == 1 for pair in pairs)
        slowest = max(one.seconds for mine in self.attempts.values() for one in mine)
        return (
            f"{self.store:16} {single:3} of {self.races} with exactly one winner "
            f"(left {wins['left']}, right {wins['right']}), {len(self.logged)} log entries, slowest {slowest:.2f} s"
        )


def race(name: str, environment: Mapping[str, str], races: int) -> Outcome:
    """Run ``races`` races on the store that ``environment`` names, and check what they left."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(len(_PUBLISHERS)), context.Queue()
    publishers = [
        context.Process(target=_publish_again_and_again, args=(who, dict(environment), races, together, results))
        for who in _PUBLISHERS
    ]
    for publisher in publishers:
        publisher.start()
    attempts: dict[str, list[Attempt]] = dict(results.get(timeout=_PATIENCE * races) for _ in publishers)
    for publisher in publishers:
        publisher.join()
    attempts = {who: attempts[who] for who in _PUBLISHERS}
    history = read_history(_open(environment), CHANNEL, last=10 * races)
    logged = [served.pointer.generation for served in reversed(history)]
    return Outcome(
        name, attempts, logged, _faults(attempts, [served.pointer.release for served in history][::-1], logged)
    )


def _publish_again_and_again(who: str, environment: dict[str, str], races: int, together: Any, results: Any) -> None:
    logging.disable(logging.WARNING)  # on the gateway each swap warns that it goes under a lock
    store = _open(environment)
    attempts = []
    for number in range(races):
        release = _release(store, f"{who}-{number:04d}")
        together.wait(_PATIENCE)
        expected = read_live(store, CHANNEL)
        together.wait(_PATIENCE)  # both have read the same pointer: now
        begun = time.perf_counter()
        generation, told = None, None
        try:
            generation = swap_live(store, CHANNEL, release, reason=who, run=release, expected=expected).generation
        except ProductSearchError as error:
            told = type(error).__name__
        attempts.append(Attempt(generation, told, time.perf_counter() - begun))
    results.put((who, attempts))


def _faults(attempts: dict[str, list[Attempt]], releases: list[str], logged: list[int]) -> list[str]:
    faults, winners = [], []
    for number, pair in enumerate(zip(*attempts.values(), strict=True)):
        won = [who for who, one in zip(attempts, pair, strict=True) if one.generation is not None]
        winners += [f"{who}-{number:04d}" for who in won]
        if len(won) != 1:
            faults.append(f"race {number}: {len(won)} winners")
        if any(one.generation not in (None, number + 1) for one in pair):
            faults.append(f"race {number}: made generation {[one.generation for one in pair]}, expected {number + 1}")
        if any(one.told not in (None, PublishConflict.__name__) for one in pair):
            faults.append(f"race {number}: the loser was told {[one.told for one in pair]}")
    if logged != list(range(1, len(logged) + 1)) or releases != winners:
        faults.append(f"the log has {len(logged)} generations, the races had {len(winners)} winners")
    return faults


def _release(store: Store, release_id: str) -> str:
    parts = {kind: ArtifactRef.model_validate({"kind": kind, "id": "none"}) for kind in ("catalog", "model", "index")}
    write_release(store, Release(id=release_id, created_at=datetime.now(UTC), items=1, **parts))  # type: ignore[arg-type]
    return release_id


def _open(environment: Mapping[str, str]) -> Store:
    return open_store(StoreSettings.model_validate({name.lower(): value for name, value in environment.items()}))


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each store and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=100, help="races on the folder and on moto")
    parser.add_argument("--gateway_races", type=int, default=20, help="races on JuiceFS's gateway; 0 leaves it out")
    flags = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        outcomes = [race("folder", {"STORE_URI": (folder / "store").as_uri()}, flags.races)]
        print(outcomes[0].line(), flush=True)
        with running_moto(folder) as environment:
            outcomes.append(race("moto (S3)", environment, flags.races))
        print(outcomes[1].line(), flush=True)
        if flags.gateway_races:
            with running_gateway(folder / "gateway") as environment:
                gateway = race("JuiceFS gateway", environment, flags.gateway_races)
            print(
                f"{gateway.line()}; conditions ignored, under a lock: no bar", *gateway.faults, sep="\n  ", flush=True
            )
    faults = [f"{outcome.store}: {fault}" for outcome in outcomes for fault in outcome.faults]
    print(*faults, sep="\n", end="\n" if faults else "")
    print("FAILED" if faults else "PASSED: one winner each time, the loser told, generations without a gap, all logged")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
