"""The app under load: beside clip-retrieval's ``back``, beside the bare calls that it consists of, and overloaded.

python -m benchmarks.serve_load                              # twenty minutes, and the peer's installation once
python -m benchmarks.serve_load --peer none --tiny --items 300 --seconds 2 --overload-seconds 5

One machine, one OpenCLIP ViT-B-32 (random weights of a seed: the cost is that of trained ones), one index over 100 000
vectors, the same queries in the same rounds. The app runs as in production; the load comes from another process, and
only one service is asked at a time. Every query is another one, so that nobody answers from a cache. Exits with 1
where a bar is missed.
"""

import argparse
import http.client
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import open_clip
import psutil

from benchmarks.harness.app_process import pss_mb, running_app
from benchmarks.harness.load_client import Asked, Service, closed_loop, open_loop, process_apart, words
from benchmarks.harness.made_up_shop import MadeUpShop
from benchmarks.harness.synthetic import clip_like
from benchmarks.harness.verdict import verdict
from benchmarks.peers import clip_retrieval as peer
from tasks.clip.encoder import Encoder
from tasks.clip.folder import WEIGHTS_FILE
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.search import Searcher
from tasks.schema.release import Release
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.manifests import load_manifest

ARCHITECTURE = "ViT-B-32"
CLIENTS, HITS = (1, 8, 32), 10
_FASTER, _SOONER, _OVERHEAD, _RECOVERY, _TWICE = 3.0, 0.5, 0.20, 2.0, 2.0
_MEMORY_SLACK_MB = 200.0
_CACHED = 50  # queries asked over and over, for the figure with a warm cache

Call = Callable[..., Any]


@dataclass(frozen=True)
class Round:
    """One service at one number of clients: queries per second, and milliseconds that half and 95 % of them took."""

    throughput: float
    p50: float
    p95: float
    faults: tuple[str, ...]

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> "Round":
        """Sum up what was asked."""
        took = 1000 * np.array([one.took for one in asked])
        span = max(one.due + one.took for one in asked) - min(one.due for one in asked)
        p50, p95 = np.percentile(took, [50, 95])
        refused = [f"refused: {one.status}" for one in asked if not one.fault and one.status != 200]
        faults = {one.fault for one in asked if one.fault} | set(refused)
        return cls(len(asked) / span, float(p50), float(p95), tuple(sorted(faults)))

    @classmethod
    def median(cls, rounds: Sequence["Round"]) -> "Round":
        """The median of each figure, and every fault."""
        throughput, p50, p95 = np.median([(one.throughput, one.p50, one.p95) for one in rounds], axis=0).tolist()
        return cls(throughput, p50, p95, tuple(fault for one in rounds for fault in one.faults))


@dataclass
class Overload:
    """What twice the sustainable load did. MB of memory, seconds until a query took its normal time again."""

    per_second: float
    answered: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    p95: float = 0.0
    before_mb: float = 0.0
    peak_mb: float = 0.0
    recovery: float = math.inf
    alive: bool = False


def build(root: Path, items: int, tiny: bool) -> tuple[MadeUpShop, Release]:
    """A live release of random weights and CLIP-like vectors."""
    shop = MadeUpShop(root, items) if tiny else MadeUpShop(root, items, open_clip.get_model_config(ARCHITECTURE))
    vectors = clip_like(items, shop.dim)
    queries = clip_like(items, shop.dim, side="text")[: min(items, 1000)]
    release = shop.release("a", shop.model("m", 1), shop.index_of("a", vectors, queries, IndexConfig()))
    shop.publish(release)
    return shop, release


class Floor:
    """The bare calls that a query consists of, in this process: encode one text, search the index."""

    def __init__(self, shop: MadeUpShop, release: Release) -> None:
        folder = fetch(shop.store, release.index)
        params = load_manifest(shop.store, release.index).summary["search_params"]
        self._searcher = Searcher.open(folder / "index.faiss", params)
        self._encoder = Encoder.load(fetch(shop.store, release.model), device="cpu")

    def ask(self, text: str) -> np.ndarray:
        """Rows found."""
        return self._searcher.search(self._encoder.encode_texts([text]), HITS)[1][0]


_floors: list[Floor] = []


def floor(shop: MadeUpShop, release: Release, seconds: float, first: int) -> list[float]:
    """Milliseconds of each bare query. The first call of a process loads model and index."""
    if not _floors:
        _floors.append(Floor(shop, release))
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        _floors[0].ask(words(first + len(took)))
        took.append(1000 * (time.perf_counter() - began))
    return took


class Figures:
    """Rounds by service and number of clients, milliseconds of the bare calls, and what an overload did."""

    def __init__(self) -> None:
        self.rounds: dict[tuple[str, int], list[Round]] = {}
        self.floors: list[list[float]] = []
        self.overhead: list[float] = []
        self.cached: Round | None = None
        self.same_answers: float | None = None
        self.overload: Overload | None = None

    def of(self, service: str, clients: int) -> Round:
        """Medians over the rounds."""
        return Round.median(self.rounds[service, clients])


def measure(call: Call, bare: Call, services: Sequence[Service], seconds: float, rounds: int) -> Figures:
    """Ask the services in turns: round by round, at each number of clients, and the bare calls in between.

    call: runs the load in a process apart. bare: milliseconds of the bare calls, over seconds and from a number on.
    """
    figures, number = Figures(), 0
    for service in services:  # imports, caches, thread pools
        call(closed_loop, service, 4, min(seconds, 3), 900_000)
    bare(min(seconds, 3), 910_000)
    for turn in range(rounds):
        figures.floors.append(bare(seconds, number))
        for clients in CLIENTS:
            for service in services if turn % 2 else services[::-1]:
                number += 20_000  # others each time, and the same for nobody
                asked = Round.of(call(closed_loop, service, clients, seconds, number))
                figures.rounds.setdefault((service.name, clients), []).append(asked)
                print(f"  round {turn + 1}, {clients:2} clients, {service.name}: {_told(asked)}", flush=True)
        alone = figures.rounds[services[0].name, 1][-1]
        figures.overhead.append(alone.p50 / float(np.median(figures.floors[-1])) - 1)
    call(closed_loop, services[0], 8, 1, 950_000, _CACHED)
    figures.cached = Round.of(call(closed_loop, services[0], 8, seconds, 950_000, _CACHED))
    return figures


def overload(call: Call, service: Service, pid: int, sustainable: float, seconds: float, normal: float) -> Overload:
    """Ask at twice the ``sustainable`` queries per second, then see when a query takes its ``normal`` ms again."""
    seen = Overload(_TWICE * sustainable, before_mb=pss_mb(pid))
    stop = Event()

    def watch() -> None:
        while not stop.wait(0.5):
            seen.peak_mb = max(seen.peak_mb, pss_mb(pid))

    watching = Thread(target=watch)
    watching.start()
    try:
        asked: list[Asked] = call(open_loop, service, seen.per_second, seconds, 400_000)
        ended = max(one.due for one in asked)
        after: list[Asked] = call(closed_loop, service, 1, 4, 700_000)
    finally:
        stop.set()
        watching.join()
    seen.answered = sum(one.status == 200 for one in asked)
    seen.refused = sum(one.status == 503 for one in asked)
    seen.faults = sorted({one.fault for one in [*asked, *after] if one.fault})
    seen.p95 = Round.of([one for one in asked if one.status == 200]).p95
    seen.alive = psutil.pid_exists(pid) and any(one.status == 200 for one in after)
    quick = [one.due + one.took - ended for one in after if one.status == 200 and 1000 * one.took <= _TWICE * normal]
    seen.recovery = min(quick, default=math.inf)
    return seen


def same_answers(ours: Service, theirs: Service, queries: int = 50) -> float:
    """Share of products that both find. Not all: numbers are rounded on the way, and near-ties change places."""
    found: dict[str, list[list[str]]] = {}
    for service in (ours, theirs):
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        for number in range(queries):
            body = json.dumps({**service.body, "text": words(800_000 + number)})
            connection.request("POST", service.path, body, {"Content-Type": "application/json"})
            told = json.loads(connection.getresponse().read())
            ids = [hit["item_id"] for hit in told] if isinstance(told, list) else _ids(told)
            found.setdefault(service.name, []).append(ids)
        connection.close()
    pairs = zip(found[ours.name], found[theirs.name], strict=True)
    return float(np.mean([len(set(a) & set(b)) / HITS for a, b in pairs]))


def _ids(answer: dict[str, Any]) -> list[str]:
    return [hit["product"]["item_id"] for hit in answer["hits"]]


def report(figures: Figures, services: Sequence[Service], judge_time: bool = True) -> bool:
    """Print the figures and the verdict, and return it. ``judge_time`` False: bars of time and memory are not held."""
    ours = services[0].name
    bars = {
        "every query answered, rightly": not any(one.faults for rounds in figures.rounds.values() for one in rounds)
    }
    print("\nclients  service          queries/s     p50 ms     p95 ms")
    for clients in CLIENTS:
        for service in services:
            print(f"{clients:7}  {service.name:14} {_row(figures.of(service.name, clients))}")
        if len(services) == 2:
            bars |= _beside_peer(figures.of(ours, clients), figures.of(services[1].name, clients), clients)
    if figures.cached:
        print(f"      8  {ours:14} {_row(figures.cached)}  (queries asked before)")
    if figures.same_answers is not None:
        print(f"products that both find: {figures.same_answers:.1%}")
        bars["both find the same products (99 %)"] = figures.same_answers >= 0.99
    bare, over = float(np.median(np.concatenate(figures.floors))), float(np.median(figures.overhead))
    print(f"bare encode + search {bare:.2f} ms (median); overhead at one client {over:+.1%}")
    if judge_time:
        bars[f"overhead at one client <= {_OVERHEAD:.0%}"] = over <= _OVERHEAD
        # the same calls cannot be that much faster inside a server: other programs had the processors
        bars["the machine was quiet enough to tell"] = over >= -_OVERHEAD
    if figures.overload:
        bars |= _under_overload(figures.overload, judge_time)
    return verdict(bars)


def _beside_peer(ours: Round, theirs: Round, clients: int) -> dict[str, bool]:
    faster, sooner = ours.throughput / theirs.throughput, ours.p95 / theirs.p95
    print(f"         ratio          {faster:12.2f} {ours.p50 / theirs.p50:10.2f} {sooner:10.2f}")
    if clients == 1:
        return {}
    return {
        f"{clients} clients: throughput >= {_FASTER:g} times the peer's": faster >= _FASTER,
        f"{clients} clients: p95 <= {_SOONER:g} of the peer's": sooner <= _SOONER,
    }


def _under_overload(seen: Overload, judge_time: bool) -> dict[str, bool]:
    print(f"overload             {seen.per_second:.0f} queries/s: {seen.answered} answered, {seen.refused} refused")
    print(f"  p95 of the answers {seen.p95:.0f} ms; a query took its normal time {seen.recovery:.2f} s after the end")
    print(f"  memory (PSS)       {seen.before_mb:.0f} MB before, {seen.peak_mb:.0f} MB at most")
    print(f"  faults             {'; '.join(seen.faults[:3]) or 'none'}")
    bars = {
        "overload: the process lives and answers": seen.alive,
        "overload: every refusal a clean 503 with Retry-After": not seen.faults,
    }
    timed = {
        "overload: memory bounded": seen.peak_mb <= 1.1 * seen.before_mb + _MEMORY_SLACK_MB,
        f"overload: recovered within {_RECOVERY:g} s": seen.recovery <= _RECOVERY,
    }
    return bars | (timed if judge_time else {})


def _row(one: Round) -> str:
    return f"{one.throughput:11.1f} {one.p50:10.1f} {one.p95:10.1f}"


def _told(one: Round) -> str:
    return f"{one.throughput:.1f}/s, p50 {one.p50:.1f} ms, p95 {one.p95:.1f} ms {'; '.join(one.faults[:2])}"


def run(root: Path, chosen: argparse.Namespace) -> tuple[Figures, list[Service]]:
    """Build, start and measure."""
    shop, release = build(root / "ours", chosen.items, chosen.tiny)
    with ExitStack() as stack:
        port, pid = stack.enter_context(running_app(shop, chosen.flags.split()))
        services = [Service("this app", port, "/v1/search", {"top_k": HITS}, HITS)]
        if chosen.peer != "none":
            services.append(stack.enter_context(_peer(Path(chosen.peer), root / "theirs", shop, release)))
        call, apart = (stack.enter_context(process_apart()) for _ in range(2))
        figures = measure(
            call, lambda *given: apart(floor, shop, release, *given), services, chosen.seconds, chosen.rounds
        )
        if len(services) == 2:
            figures.same_answers = same_answers(services[0], services[1])
        ours = services[0].name
        figures.overload = overload(
            call, services[0], pid, figures.of(ours, max(CLIENTS)).throughput, chosen.overload_seconds,
            normal=figures.of(ours, 1).p95,
        )  # fmt: skip
    return figures, services


def _peer(installed: Path, folder: Path, shop: MadeUpShop, release: Release) -> Any:
    peer.install(installed)
    params = load_manifest(shop.store, release.index).summary["search_params"]
    peer.prepare(folder, fetch(shop.store, release.index), params.get("nprobe", 1))
    weights = fetch(shop.store, release.model) / WEIGHTS_FILE
    return peer.running_back(installed, folder, f"open_clip:{ARCHITECTURE}/{weights}", HITS)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, default=100_000)
    made.add_argument("--seconds", type=float, default=12, help="of each service at each number of clients")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--overload-seconds", type=float, default=60)
    made.add_argument("--peer", default="var/peers/clip-retrieval", help="its environment, made if missing; or none")
    made.add_argument("--tiny", action="store_true", help="a tiny model; bars of time are not held")
    made.add_argument("--flags", default="", help="of python -m app")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="serve-load-") as folder:
        figures, services = run(Path(folder), chosen)
    return 0 if report(figures, services, judge_time=not chosen.tiny) else 1


if __name__ == "__main__":
    sys.exit(main())
