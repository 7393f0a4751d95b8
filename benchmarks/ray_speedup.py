"""Embedding by worker processes on Ray: two workers beside one, and both beside the engine here.

python -m benchmarks.ray_speedup                                  # six minutes on two cores
python -m benchmarks.ray_speedup --tiny --pictures 16 --rounds 1

A cluster of this machine; the same shards of the same JPEGs, the same ViT-B-32 of random weights, in turns round by
round; ratios are medians of those of each round. Workers are timed from when all of them have loaded the model and
embedded a shard to the last stored shard; the cost of that start is reported separately. The bar is for a machine that
has two idle cores. Exits with 1 where a bar is missed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.embed_throughput import Work, build
from benchmarks.harness.verdict import verdict
from tasks.clip.config import EmbedConfig
from tasks.cluster.connection import RaySettings, connected
from tasks.cluster.shards import ShardRun
from tasks.cluster.worker_plan import WorkerPlan
from tasks.stages.embedding import RemoteWork, ShardPlan, embed_remotely, shard_size
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.images import read_images

HERE, ONE, TWO, WIDE = "here, all cores", "1 worker of 1 core", "2 workers of 1 core", "1 worker of 2 cores"
PLANS = {ONE: WorkerPlan(1, 1, 0), TWO: WorkerPlan(2, 1, 0), WIDE: WorkerPlan(1, 2, 0)}
_SPEEDUP, _OF_HERE, _DISTANCE, _SECONDS_A_SHARD = 1.6, 0.9, 1e-3, 0.05
_EMPTY = 200


@dataclass
class Figures:
    """Images per second by who computed, one for each round, and what else was found."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    cluster: float = 0.0
    seconds_a_shard: float = 0.0
    distance: float = 0.0

    def ratio(self, above: str, below: str) -> float:
        """Median over the rounds of one rate over another."""
        return float(np.median(np.divide(self.rates[above], self.rates[below])))


@dataclass
class Stage:
    """The images of ``work`` in shards, embedded by any number of workers."""

    work: Work
    scratch: Path

    @property
    def parts(self) -> list[list[str]]:
        """Hashes of each shard."""
        hashes, size = sorted(self.work.wanted), shard_size(self.work.config)
        return [hashes[row : row + size] for row in range(0, len(hashes), size)]

    def forget(self) -> None:
        """Remove every vector."""
        embeddings.delete_embeddings(self.work.store, self.work.model.id)

    def vectors(self) -> np.ndarray:
        """Stored vectors, in the order of the hashes."""
        return embeddings.load_vectors(self.work.store, self.work.model.id, sorted(self.work.wanted))

    def embed(self, workers: WorkerPlan) -> tuple[float, float]:
        """Seconds until every worker had embedded a shard, and from then to the last shard."""
        parts, store = self.parts, self.work.store
        plan = ShardPlan(id="speedup", shards=len(parts), images=len(self.work.wanted), wanted=len(self.work.wanted))
        remote = RemoteWork(model=self.work.model, plan=plan, config=self.work.config, store=store.root, code=None)
        self.forget()
        with tempfile.TemporaryDirectory(dir=self.scratch) as ready:
            embed = partial(embed_after_start, remote.model_dump_json(), ready, workers.workers)
            # The first shards, one a worker, are embedded twice: once under a number that no plan has.
            numbers = [*range(len(parts), len(parts) + workers.workers), *range(len(parts))]
            run = ShardRun(
                embed, lambda turn: (numbers[turn], parts[numbers[turn] % len(parts)]), len(numbers), workers
            )
            began, ended = time.perf_counter(), list(_times(run))
        return ended[workers.workers - 1] - began, ended[-1] - ended[workers.workers - 1]


def _times(run: ShardRun) -> Iterator[float]:
    for _ in run.results():
        yield time.perf_counter()


def embed_after_start(work: str, ready: str, workers: int, turn: int, given: tuple[int, list[str]]) -> int:
    """What a worker does: a shard, and after its first one wait until the other workers have done theirs."""
    images = embed_remotely(work, *given)
    if turn < workers:
        (Path(ready) / str(turn)).touch()
        while len(list(Path(ready).iterdir())) < workers:
            time.sleep(0.01)
    return images


def do_nothing(shard: int, given: object) -> None:
    """A shard that costs nothing but Ray."""


def measure(stage: Stage, rounds: int, plans: dict[str, WorkerPlan]) -> Figures:
    """Everyone in turn, ``rounds`` times, on one cluster of this machine."""
    figures, images, exact = Figures(), len(stage.work.wanted), None
    began = time.perf_counter()
    with connected(RaySettings()):
        figures.cluster = time.perf_counter() - began
        for _ in range(rounds):
            stage.forget()
            stage.work.encoder.encode_images(read_images(stage.work.store, stage.parts[0]))  # as workers begin
            began = time.perf_counter()
            stage.work.embed()
            _add(figures.rates, HERE, images / (time.perf_counter() - began), "images/s")
            exact = stage.vectors() if exact is None else exact
            for name, workers in plans.items():
                start, seconds = stage.embed(workers)
                _add(figures.starts, name, start, "s to start")
                _add(figures.rates, name, images / seconds, "images/s")
                cosine = (stage.vectors() * exact).sum(axis=1)
                figures.distance = max(figures.distance, float((1 - cosine).max()))
        times = list(_times(ShardRun(do_nothing, lambda _: None, _EMPTY, PLANS[ONE])))
        figures.seconds_a_shard = (times[-1] - times[0]) / (_EMPTY - 1)
    return figures


def _add(to: dict[str, list[float]], name: str, value: float, unit: str) -> None:
    to.setdefault(name, []).append(value)
    print(f"  {name}: {value:.1f} {unit}", flush=True)


def report(figures: Figures, judge_time: bool = True) -> bool:
    """Print the figures and the verdict, and return it. ``judge_time`` False: bars of time are not held."""
    print(f"\n{'':20} images/s (median; least to most)   times {ONE}   start, s")
    for name, rates in figures.rates.items():
        spread = f"{np.median(rates):8.1f} ({min(rates):.1f} to {max(rates):.1f})"
        start = f"{np.median(figures.starts[name]):.1f}" if name in figures.starts else ""
        print(f"{name:20} {spread:36} {figures.ratio(name, ONE):8.2f} {start:>20}")
    print(f"cluster of this machine: {figures.cluster:.1f} s to start; {1e3 * figures.seconds_a_shard:.1f} ms a shard")
    print(f"largest cosine distance from the vectors of the engine here: {figures.distance:.1e}")
    bars = {f"vectors within {_DISTANCE:g} of the engine here": figures.distance <= _DISTANCE}
    if judge_time:
        bars[f"two workers {_SPEEDUP:g} times one"] = figures.ratio(TWO, ONE) >= _SPEEDUP
        bars[f"two workers {_OF_HERE:.0%} of the engine here"] = figures.ratio(TWO, HERE) >= _OF_HERE
        bars[f"a shard costs below {_SECONDS_A_SHARD:g} s"] = figures.seconds_a_shard < _SECONDS_A_SHARD
    return verdict(bars)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--pictures", type=int, default=256)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--shard", type=int, default=32, help="images in a shard")
    made.add_argument("--tiny", action="store_true", help="a tiny model, shards of 4; bars of time are not held")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = parser().parse_args(arguments)
    size = 4 if chosen.tiny else chosen.shard
    config = EmbedConfig(batch_size=min(size, 16), shard_size=size)
    with tempfile.TemporaryDirectory(prefix="ray-speedup-") as scratch:
        root = Path(scratch)
        work = build(root, chosen.pictures, chosen.tiny, config)
        settings = {"STORE_URI": work.store.root, "STORE_CACHE": str(work.store.settings.store_cache)}
        os.environ.update(settings, RAY_ADDRESS="local")  # inherited by the workers
        plans = {name: plan for name, plan in PLANS.items() if not chosen.tiny or name != WIDE}
        figures = measure(Stage(work, root), chosen.rounds, plans)
    return 0 if report(figures, judge_time=not chosen.tiny) else 1


if __name__ == "__main__":
    sys.exit(main())
