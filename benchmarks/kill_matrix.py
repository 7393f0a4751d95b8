"""Kill the nightly flow, and a first publication, at every kind of point; then look at what is live, and run it again.

    python -m benchmarks.kill_matrix                          all three stores, about 60 points
    python -m benchmarks.kill_matrix --stores file --points 4

After each SIGKILL the live release is the old one or the new one, and whole: every file is hashed against its manifest
and every item finds itself in the index. The run that follows ends in the release that an undisturbed run makes, and
embeds at most one shard a second time. Exits with 1 where a point fails.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.faults.watched_store import Moment, Point
from benchmarks.harness.flow_process import FlowProcess
from benchmarks.harness.servers import running_gateway, running_moto, running_prefect, s3_client
from benchmarks.harness.tiny_night import SHARD, BadRelease, TinyNight, check_live, make_tiny_night
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store

FlowName = Literal["pipeline", "reindex"]
_SHARES = {"file": 1.0, "moto": 1.0, "gateway": 0.2}  # of the points asked for
_MOMENTS: tuple[Moment, ...] = ("before", "middle", "after")
#: Where old becomes new.
_DECISIVE = ("releases/", "live/production")
#: What a first publication does that a night does not; the rest is the night's.
_FIRST_ONLY = ("models/", "evaluations/", "live/production", "releases/")


@dataclass(frozen=True)
class Place:
    """A kind of store: the environment that names it, and how one of its folders is copied."""

    name: str
    environment: dict[str, str]
    copy: Callable[[str, str], None]

    def under(self, folder: str, cache: Path) -> dict[str, str]:
        """Environment of the store in ``folder`` of this place, with a cache of its own."""
        return {**self.environment, "STORE_URI": f"{self.environment['STORE_URI']}/{folder}", "STORE_CACHE": str(cache)}


@dataclass(frozen=True)
class Outcome:
    """What one kill left behind. ``faults`` is empty where all is as it must be."""

    place: str
    flow: str
    point: Point
    live: str
    repeated: int
    seconds: float
    faults: tuple[str, ...]


class Matrix:
    """Points of one flow on one place, each tried on a copy of the same store (``base``; empty: on nothing)."""

    def __init__(self, place: Place, flow: FlowName, config: Any, base: str, folder: Path, api: str) -> None:
        self.place, self.flow, self.config, self.base, self.folder, self.api = place, flow, config, base, folder, api
        self.old = self._look(base) if base else None
        undisturbed = self._process(self.undisturbed, "whole")
        if undisturbed.run() != 0:
            raise SystemExit(f"{flow} on {place.name} fails without any kill:\n{undisturbed.tail()}")
        self.changes = [entry for entry in undisturbed.journal() if entry["what"] == "change"]
        self.new = self._look(self.undisturbed)

    @property
    def undisturbed(self) -> str:
        """Name of the store that an undisturbed run left."""
        return f"{self.flow}-undisturbed"

    def points(self, wanted: int) -> list[Point]:
        """``wanted`` points in the order of the flow: all around what goes live, the rest spread evenly."""
        seen = Counter((entry["action"], entry["shape"]) for entry in self.changes)
        found: dict[Point, None] = {}
        for (action, shape), times in seen.items():
            if self.flow == "pipeline" and not shape.startswith(_FIRST_ONLY):
                continue  # the night does the same
            for count in (1, (times + 1) // 2, times):
                for moment in ("after",) if ".probe" in shape else _MOMENTS:
                    if moment != "middle" or action != "delete":
                        found[Point(action, shape, count, moment)] = None
        decisive = [point for point in found if point.shape.startswith(_DECISIVE)]
        others = [point for point in found if point not in decisive]
        chosen = {*_evenly(decisive, wanted), *_evenly(others, wanted - len(decisive))}
        return [point for point in found if point in chosen]

    def attempt(self, name: str, point: Point) -> Outcome:
        """Kill at ``point`` in a store called ``name``, look, run again, look."""
        began = time.monotonic()
        live, repeated, faults = "?", 0, []
        try:
            killed = self._process(name, "killed", point)
            if (code := killed.run()) != -9:
                faults.append(f"the point was not reached (exit {code}): {killed.tail(300)}")
            found = self._look(name)
            live = "new" if found == self.new else "old" if found == self.old else "?"
            if live == "?":
                faults.append(f"live is {found} after the kill, expected {self.old} or {self.new}")
            again = self._process(name, "again", copy=False)
            if (code := again.run()) != 0:
                faults.append(f"the run after it failed ({code}): {again.tail(400)}")
            if (found := self._look(name)) != self.new:
                faults.append(f"live is {found} in the end, expected {self.new}")
            repeated = embedded_again(killed, again)
            if repeated > self.config.embed.shard_size:
                faults.append(f"{repeated} images embedded again, a shard is {self.config.embed.shard_size}")
        except (BadRelease, TimeoutError) as error:
            faults.append(str(error))
        return Outcome(self.place.name, self.flow, point, live, repeated, time.monotonic() - began, tuple(faults))

    def _look(self, name: str) -> tuple[str, int] | None:
        """Release and generation that are live in a store, once proven whole."""
        named = self.place.under(name, self.folder / "looked" / name)
        settings = StoreSettings.model_validate({key.lower(): value for key, value in named.items()})
        pointer = check_live(open_store(settings))
        return None if pointer is None else (pointer.release, pointer.generation)

    def _process(self, name: str, run: str, point: Point | None = None, copy: bool = True) -> FlowProcess:
        if copy and self.base:
            self.place.copy(self.base, name)
        environment = {"PREFECT_API_URL": self.api, **self.place.under(name, self.folder / name / "cache")}
        return FlowProcess(self.flow, self.config, environment, self.folder / name / run, point)


def _evenly(points: list[Point], wanted: int) -> list[Point]:
    wanted = max(0, min(wanted, len(points)))
    return [points[number * len(points) // wanted] for number in range(wanted)]


def embedded_again(killed: FlowProcess, again: FlowProcess) -> int:
    """How many images went through the model twice, over both runs."""
    names = [sha256 for run in (killed, again) for entry in run.journal() for sha256 in entry.get("images", ())]
    return len(names) - len(set(names))


@contextmanager
def open_places(names: Sequence[str], folder: Path) -> Iterator[list[Place]]:
    """The stores by name: a folder, moto (honours conditional writes), JuiceFS's gateway (ignores them)."""
    with ExitStack() as stack:
        found = []
        for name in names:
            if name == "file":
                (folder / name).mkdir(parents=True)
                found.append(Place(name, {"STORE_URI": (folder / name).as_uri()}, partial(_link, folder / name)))
            else:
                server = running_moto(folder / name) if name == "moto" else running_gateway(folder / name)
                environment = stack.enter_context(server)
                found.append(Place(name, environment, partial(copy_objects, environment)))
        yield found


def _link(root: Path, source: str, target: str) -> None:
    shutil.copytree(root / source, root / target, copy_function=os.link)  # an object is replaced, never changed


def copy_objects(environment: dict[str, str], source: str, target: str) -> None:
    """Copy every object of one folder of a bucket into another."""
    client, bucket = s3_client(environment), environment["STORE_URI"].removeprefix("s3://")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{source}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def copy(key: str) -> None:
        new = target + key.removeprefix(source)
        client.copy_object(Bucket=bucket, Key=new, CopySource={"Bucket": bucket, "Key": key})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(copy, keys))


def run_matrix(place: Place, tiny: TinyNight, folder: Path, api: str, points: int, at_once: int) -> list[Outcome]:
    """Kill a first publication at a fifth of ``points``, and the night at the rest."""
    first = Matrix(place, "pipeline", tiny.first(), "", folder, api)
    night = Matrix(place, "reindex", tiny.night(), first.undisturbed, folder, api)
    tried = [(first, point) for point in first.points(points // 5)]
    tried += [(night, point) for point in night.points(points - len(tried))]
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(matrix.attempt, f"kill-{number}", point) for number, (matrix, point) in enumerate(tried)]
        return [_told(future.result()) for future in futures]


def _told(outcome: Outcome) -> Outcome:
    verdict = "ok" if not outcome.faults else "FAILED"
    print(
        f"{outcome.place:8}{outcome.flow:9} {outcome.point!s:52} live {outcome.live:4}"
        f" again {outcome.repeated:2}  {outcome.seconds:5.1f} s  {verdict}",
        flush=True,
    )
    for fault in outcome.faults:
        print(f"    {fault}", flush=True)
    return outcome


def main() -> int:
    """Run the matrix, print it, and tell whether every point held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--stores", nargs="+", choices=list(_SHARES), default=list(_SHARES))
    parser.add_argument("--points", type=int, default=30, help="points on each store (a fifth of it on the gateway)")
    parser.add_argument("--at-once", type=int, default=2, help="points tried at the same time")
    chosen = parser.parse_args()
    began, outcomes = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as scratch:
        folder = Path(scratch)
        tiny = make_tiny_night(folder / "shop")
        with running_prefect(folder / "prefect") as api, open_places(chosen.stores, folder / "stores") as places:
            for place in places:
                wanted = max(1, round(_SHARES[place.name] * chosen.points))
                outcomes += run_matrix(place, tiny, folder / "runs" / place.name, api, wanted, chosen.at_once)
    held = sum(not outcome.faults for outcome in outcomes)
    lives = Counter(outcome.live for outcome in outcomes)
    most = max(outcome.repeated for outcome in outcomes)
    print(f"\nafter the kill live was: {dict(lives)}; most images embedded again: {most} (a night's shard: {SHARD})")
    print(f"{time.monotonic() - began:.0f} s in all")
    print(f"kill_matrix: {held}/{len(outcomes)} points held: {'PASS' if held == len(outcomes) else 'FAIL'}")
    return 0 if held == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
