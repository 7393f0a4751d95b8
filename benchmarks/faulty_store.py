"""The night over a faulty object store: 5 % of the calls fail; then two minutes in which every call fails.

    python -m benchmarks.faulty_store
    python -m benchmarks.faulty_store --nights 1 --outage 30

Three parts, each over a real S3 server behind a proxy that drops, delays, truncates, answers 500 and 503 and lets calls
time out, before or after they reached the server:
calls   swaps and downloads one after another, at a share of faults no network has: each swap counts once, and no wrong
        byte is ever handed out;
nights  whole nights at 5 %: each ends, and what it published is whole;
outage  every call fails for two minutes from the middle of a night on: the run retries, fails with one clear message
        and the state Failed, nothing live has moved, and the run after it reuses what was finished.
Exits with 1 where one of them does not hold.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.faults.proxy import FATAL, FAULTS, FaultProxy
from benchmarks.harness.flow_process import FlowProcess
from benchmarks.harness.servers import running_moto, running_prefect
from benchmarks.harness.tiny_night import SHARD, check_live, make_tiny_night
from benchmarks.kill_matrix import Place, copy_objects, embedded_again
from tasks.schema.errors import ArtifactCorrupt, StoreUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.commit import commit
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import write_release
from tasks.store.releases.swap import swap_live

_TIMEOUT = 2.0  # seconds, as an impatient operator would set it


@dataclass
class Part:
    """One part of the benchmark: lines for a reader, and what did not hold."""

    name: str
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note ``otherwise`` unless it ``holds``."""
        if not holds:
            self.faults.append(otherwise)

    def say(self, line: str) -> None:
        """Print one line of this part."""
        print(f"{self.name:8}{line}", flush=True)


@dataclass(frozen=True)
class Bench:
    """The S3 server, the Prefect server, the night, and a store in which its first release is live."""

    place: Place
    api: str
    tiny: Any
    base: str
    folder: Path

    def environment(self, name: str, endpoint: str = "") -> dict[str, str]:
        """Environment of the store ``name``, reached through ``endpoint`` (default: the server itself)."""
        named = self.place.under(name, self.folder / name / ("cache" if endpoint else "looked"))
        if endpoint:
            named |= {"AWS_ENDPOINT_URL": endpoint, "STORE_TIMEOUT": str(_TIMEOUT)}
        return {"PREFECT_API_URL": self.api, **named}

    def store(self, name: str, endpoint: str = "") -> Store:
        """The store ``name``, opened in this process."""
        named = self.environment(name, endpoint)
        return open_store(StoreSettings.model_validate({key.lower(): value for key, value in named.items()}))

    def night(self, name: str, run: str, endpoint: str) -> FlowProcess:
        """One night over the store ``name`` through a proxy."""
        environment = self.environment(name, endpoint)
        return FlowProcess("reindex", self.tiny.night(), environment, self.folder / name / run)

    def live(self, name: str) -> tuple[str, int]:
        """Release and generation that are live, proven whole."""
        pointer = check_live(self.store(name))
        if pointer is None:
            raise SystemExit(f"nothing is live in {name}")
        return pointer.release, pointer.generation

    def copy(self, name: str) -> None:
        """Make the store ``name``, in which the first release is live."""
        self.place.copy(self.base, name)


def try_calls(bench: Bench, swaps: int, downloads: int, share: float = 0.4, seed: int = 1) -> Part:
    """Swaps and downloads at a share of faults that no network has."""
    part, began = Part("calls"), time.monotonic()
    with FaultProxy(bench.place.environment["AWS_ENDPOINT_URL"], seed, hold=0.6) as proxy:
        store = open_store(bench.store("calls", proxy.endpoint).settings.model_copy(update={"store_timeout": 0.4}))
        for number in range(2):
            write_release(store, _release(f"r{number}"))
        read_live(store, "main")
        proxy.share = share
        asked_again = sum(_swap(part, store, number) for number in range(swaps))
        proxy.share = 0.0
        live = read_live(store, "main")
        part.expect(live is not None and live.pointer.generation == swaps, f"{swaps} swaps ended in {live}")
        part.say(
            f"{swaps} swaps at {share:.0%} faults: generation {live and live.pointer.generation}, each counted once"
        )
        part.say(f"  {asked_again} times there was no clear answer, and the publisher asked again")
        told = _download(part, store, proxy, share, downloads, bench.folder / "calls")
        part.say(f"{downloads} downloads: {told['whole']} whole, {told['refused']} given up on, 0 wrong")
        _say_faults(part, proxy, began)
    return part


def _swap(part: Part, store: Store, number: int) -> int:
    """Publish until it is clear that it is published; returns how often it was not."""
    release, run = f"r{number % 2}", f"run-{number}"
    before = None
    for attempt in range(20):
        try:
            before = before or read_live(store, "main")
            pointer = swap_live(store, "main", release, reason="bench", run=run, expected=before)
            part.expect(pointer.generation == number + 1, f"swap {number + 1} gave generation {pointer.generation}")
            return attempt
        except StoreUnavailable:
            continue
    part.expect(False, f"swap {number} never got through")
    return 20


def _download(part: Part, store: Store, proxy: FaultProxy, share: float, count: int, folder: Path) -> Counter[str]:
    content = os.urandom(200_000)
    (folder / "made").mkdir(parents=True)
    (folder / "made" / "file.bin").write_bytes(content)
    ref = commit(store, "model", "downloaded", folder / "made", recipe=1).ref
    proxy.share, told = share, Counter[str]()
    for number in range(count):
        settings = store.settings.model_copy(update={"store_cache": folder / f"cache-{number}"})
        try:
            whole = (fetch(open_store(settings), ref) / "file.bin").read_bytes() == content
            told["whole" if whole else "wrong"] += 1
        except (StoreUnavailable, ArtifactCorrupt):
            told["refused"] += 1
    part.expect(told["wrong"] == 0, f"{told['wrong']} downloads had wrong bytes")
    part.expect(told["whole"] > count / 2, f"only {told['whole']} of {count} downloads got through")
    return told


def run_nights(bench: Bench, nights: int, share: float = 0.05) -> Part:
    """Whole nights, ``share`` of whose calls fail."""
    part, kinds = Part("nights"), Counter[str]()
    for number in range(nights):
        began, name = time.monotonic(), f"night-{number}"
        bench.copy(name)
        with FaultProxy(bench.place.environment["AWS_ENDPOINT_URL"], seed=number, hold=1.5 * _TIMEOUT) as proxy:
            proxy.share = share
            night = bench.night(name, "faulty", proxy.endpoint)
            code = night.run(300)
            part.expect(code == 0, f"{name} failed ({code}): {night.tail(600)}")
            release, generation = bench.live(name)
            part.expect(generation == 2, f"{name} ended with generation {generation}, expected 2")
            tasks = night.log.read_text().count("- Retry ")
            part.say(f"night {number + 1}: release {release} live and whole, {tasks} task(s) retried")
            _say_faults(part, proxy, began)
            kinds += proxy.failed
    missing = set(FAULTS) - set(kinds)
    if missing:
        part.say(f"not drawn in these nights: {sorted(missing)}")
    return part


def ride_outage(bench: Bench, seconds: float, seed: int = 0) -> Part:
    """Every call fails for ``seconds`` from the moment the second shard is stored."""
    part, name = Part("outage"), "outage"
    bench.copy(name)
    before = bench.live(name)
    with FaultProxy(bench.place.environment["AWS_ENDPOINT_URL"], seed, hold=1.5 * _TIMEOUT) as proxy:
        started: list[float] = []

        def begin(method: str, target: str) -> None:
            if method == "PUT" and "/part-" in target and target.split("?")[0].endswith("-00002.parquet"):
                if not started:
                    started.append(time.monotonic())
                proxy.share, proxy.faults = 1.0, FATAL

        proxy.before = begin
        first = bench.night(name, "first", proxy.endpoint)
        _check_failure(part, bench, first)
        failed_after = time.monotonic() - started[0]
        part.say(f"the run failed {failed_after:.0f} s into the outage: {_last_line(first)}")
        part.expect(bench.live(name) == before, "the live release moved during the outage")
        _say_faults(part, proxy, started[0])
        second = bench.night(name, "second", proxy.endpoint)
        if time.monotonic() - started[0] < seconds:
            _check_failure(part, bench, second)
            part.say(f"a run started in the outage: {_last_line(second)}")
        time.sleep(max(0.0, started[0] + seconds - time.monotonic()))
        proxy.share, proxy.before = 0.0, lambda method, target: None
        third = bench.night(name, "third", proxy.endpoint)
        part.expect(third.run(300) == 0, f"the run after the outage failed: {third.tail(600)}")
        release, generation = bench.live(name)
        part.expect(generation == before[1] + 1, f"generation {generation} after the outage, expected {before[1] + 1}")
        again = embedded_again(first, third)
        part.expect(again <= SHARD, f"{again} images embedded again, a shard is {SHARD}")
        part.say(f"after {seconds:.0f} s the store is back: {release} live and whole, {again} images embedded again")
    return part


def _check_failure(part: Part, bench: Bench, night: FlowProcess) -> None:
    """Run a night that cannot end, and see that it says so."""
    began = datetime.now(UTC)
    code = night.run(400)
    log = night.log.read_text()
    part.expect(code == 1, f"the run ended with {code}, expected 1: {night.tail(600)}")
    part.expect(_last_line(night).startswith("StoreUnavailable: "), f"no clear message: {_last_line(night)}")
    part.expect("Traceback" not in log, f"a traceback in the log: {log[log.find('Traceback') :][:1500]}")
    part.expect("Finished in state Failed" in log, "the flow run did not end Failed")
    unsettled = _unsettled(bench.api, began)
    part.expect(not unsettled, f"runs left unsettled: {unsettled}")


def _unsettled(api: str, since: datetime) -> list[str]:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime

    started = FlowRunFilter(start_time=FlowRunFilterStartTime(after_=since))
    with SyncPrefectClient(api=api) as client:
        runs = client.read_flow_runs(flow_run_filter=started)
    return [f"{run.name} is {run.state_name}" for run in runs if run.state is None or not run.state.is_final()]


def _last_line(night: FlowProcess) -> str:
    lines = night.log.read_text().strip().splitlines()
    return lines[-1] if lines else ""


def _say_faults(part: Part, proxy: FaultProxy, began: float) -> None:
    kinds = ", ".join(f"{kind} {proxy.failed[kind]}" for kind in FAULTS if proxy.failed[kind])
    part.say(f"  {proxy.calls} calls, {sum(proxy.failed.values())} failed ({kinds}), {proxy.retries} retries")
    part.say(f"  {time.monotonic() - began:.0f} s")


def _release(name: str) -> Release:
    parts = {kind: ArtifactRef(kind=kind, id="none") for kind in ("catalog", "model", "index")}
    return Release(id=name, created_at=datetime.now(UTC), items=0, **parts)


def main() -> int:
    """Run the three parts, print them, and tell whether all held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faulty_store", description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--swaps", type=int, default=60)
    parser.add_argument("--outage", type=float, default=120.0, help="seconds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faulty-store-") as scratch:
        folder = Path(scratch)
        tiny = make_tiny_night(folder / "shop")
        with running_prefect(folder / "prefect") as api, running_moto(folder / "moto") as environment:
            bench = open_bench(environment, api, tiny, folder / "runs")
            parts = [
                try_calls(bench, chosen.swaps, downloads=chosen.swaps),
                run_nights(bench, chosen.nights),
                ride_outage(bench, chosen.outage),
            ]
    faults = [f"{part.name}: {fault}" for part in parts for fault in part.faults]
    for fault in faults:
        print(f"FAILED  {fault}")
    print(f"faulty_store: {'FAIL' if faults else 'PASS'}")
    return 1 if faults else 0


def open_bench(environment: dict[str, str], api: str, tiny: Any, folder: Path) -> Bench:
    """Publish the first release, undisturbed."""
    place = Place("s3", environment, lambda source, target: copy_objects(environment, source, target))
    bench = Bench(place, api, tiny, "base", folder)
    first = FlowProcess("pipeline", tiny.first(), bench.environment("base"), folder / "base" / "first")
    if first.run(300) != 0:
        raise SystemExit(f"the first publication fails without any fault:\n{first.tail()}")
    return bench


if __name__ == "__main__":
    sys.exit(main())
