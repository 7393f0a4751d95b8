"""What runs through Prefect and without it took, side by side, and whether that is little enough."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cost.flow_cost import Cost, Way
from benchmarks.cost.prefect_meter import Use
from benchmarks.harness.verdict import verdict

BAR = 0.05
MOST_TASK_RUNS = 200
PREFECT_FIRST: tuple[Way, Way] = ("prefect", "plain")


@dataclass(frozen=True)
class Measured:
    """One run of a flow, and what Prefect's server did for it (nothing, without Prefect)."""

    cost: Cost
    use: Use


@dataclass
class Figures:
    """Runs by what was run and which way, in rounds; and what differs between the files of both ways."""

    items: int
    shard_size: int
    pipeline: dict[Way, list[Measured]] = field(default_factory=lambda: {"plain": [], "prefect": []})
    nights: dict[str, dict[Way, Measured]] = field(default_factory=dict)
    small: dict[str, tuple[int, Measured]] = field(default_factory=dict)
    embedding: float = 0.0  # seconds of one image with the product's own model
    idle: float = 0.0  # the server's seconds of processor in a second
    differs: list[str] = field(default_factory=list)

    @property
    def added(self) -> float:
        """Seconds of the run through Prefect in which nothing of the product's own ran: the median of the rounds."""
        pairs = self._rounds()
        return statistics.median(
            prefect.held_up - plain.held_up + prefect.around - plain.around for plain, prefect in pairs
        )

    @property
    def most(self) -> float:
        """Their share of all other seconds of the same run, whose work is as little as it can be."""
        return self.added / self._others

    @property
    def share(self) -> float:
        """Their share of all other seconds, had the images been embedded with the product's own model."""
        return self.added / (self._others + self.items * self.embedding)

    @property
    def _others(self) -> float:
        return statistics.median(prefect.process for _, prefect in self._rounds()) - self.added

    @property
    def slower(self) -> float:
        """How much longer the process takes by the clock, as a share: the median of the rounds."""
        return statistics.median(prefect.process / plain.process - 1 for plain, prefect in self._rounds())

    @property
    def most_task_runs(self) -> int:
        """Of one run of any flow."""
        nights = [night["prefect"] for night in self.nights.values()]
        return max(run.use.task_runs for run in (*self.pipeline["prefect"], *nights))

    @property
    def connections(self) -> int:
        """Opened by runs without Prefect."""
        nights = [night["plain"] for night in self.nights.values()]
        return sum(run.cost.connections for run in (*self.pipeline["plain"], *nights))

    def _rounds(self) -> Iterator[tuple[Cost, Cost]]:
        for plain, prefect in zip(self.pipeline["plain"], self.pipeline["prefect"], strict=True):
            yield plain.cost, prefect.cost


def report(figures: Figures, judge_time: bool = True) -> bool:
    """Print the figures and the verdict, and return it. ``judge_time`` False: bars of time are not held."""
    _tell_pipeline(figures)
    _tell_nights(figures)
    _tell_small(figures)
    bars = {
        "both ways end in the same files" + "".join(f"; not {one}" for one in figures.differs[:5]): not figures.differs,
        f"without Prefect nothing is connected to (found {figures.connections})": figures.connections == 0,
        f"at most {MOST_TASK_RUNS} task runs in a run (found {figures.most_task_runs})": (
            figures.most_task_runs <= MOST_TASK_RUNS
        ),
    }
    if judge_time:
        bars[f"Prefect adds at most {BAR:.0%} (found {figures.share:.1%})"] = figures.share <= BAR
    print()
    return verdict(bars)


def _tell_pipeline(figures: Figures) -> None:
    print(f"\nThe pipeline, {figures.items:,} products in shards of {figures.shard_size}")
    _header("round", "way", "process", "flow", "held up", "start+end", "CPU", "server CPU", "requests", "task runs")
    for way, runs in figures.pipeline.items():
        for number, run in enumerate(runs):
            _row(f"{number + 1}", way, *cells(run))
    prefect = figures.pipeline["prefect"][-1]
    cpu = statistics.median(_ratios([run.cost.cpu for run in figures.pipeline[way]] for way in PREFECT_FIRST))
    print(
        f"Prefect adds {figures.added:.1f} s, {figures.most:.1%} of all other seconds: more than with any real model."
    )
    print(f"By the clock one way took {figures.slower:+.1%} of the other, in CPU {cpu - 1:+.1%}.")
    if figures.embedding:
        print(f"With the default model, {1000 * figures.embedding:.1f} ms an image: {figures.share:.2%}.")
    print(f"Its server idles at {figures.idle:.1%} of a core. {prefect.use.flow_runs} flow runs, "
          f"{prefect.use.bytes / 1e6:.1f} MB in the server's database, requests by kind:")  # fmt: skip
    for kind, count in sorted(prefect.cost.requests.items(), key=lambda item: -item[1])[:8]:
        print(f"  {count:>6} {kind}")


def _tell_nights(figures: Figures) -> None:
    print("\nA night on which nothing changed")
    _header("", "way", "process", "flow", "held up", "start+end", "CPU", "server CPU", "requests", "task runs")
    for name, night in figures.nights.items():
        for way, run in night.items():
            _row(name if way == "plain" else f"{run.use.bytes / 1e3:.0f} kB kept", way, *cells(run))


def _tell_small(figures: Figures) -> None:
    print("\nOne of each, doing nothing, through Prefect")
    _header("", "seconds", "CPU", "server CPU", "requests", "kB kept")
    _, empty = figures.small["nothing_below"]
    _row("flow run", *_each(empty, None, 1))
    print(f"{'':18}and {empty.cost.around:.1f} s for its process to start, import Prefect, and end")
    names = {"call_tasks": "task, called", "map_tasks": "task, mapped", "call_subflows": "subflow"}
    for key, name in names.items():
        if key not in figures.small:
            continue
        count, run = figures.small[key]
        _row(name, *_each(run, empty, count))


def _each(run: Measured, empty: Measured | None, count: int) -> list[str]:
    pairs = [(_amounts(run), _amounts(empty) if empty else [0.0] * 5)]
    values = [(all_ - none) / count for all_, none in zip(*pairs[0], strict=True)]
    return [f"{values[0]:.3f}", f"{values[1]:.3f}", f"{values[2]:.3f}", f"{values[3]:.1f}", f"{values[4] / 1e3:.1f}"]


def _amounts(run: Measured) -> list[float]:
    return [run.cost.flow, run.cost.cpu, run.use.cpu, sum(run.cost.requests.values()), run.use.bytes]


def cells(run: Measured) -> list[str]:
    """What a run took, in the order of the tables."""
    cost, use = run.cost, run.use
    times = (cost.process, cost.flow, cost.held_up, cost.around, cost.cpu, use.cpu)
    return [*(f"{value:.1f} s" for value in times), f"{sum(cost.requests.values())}", f"{use.task_runs}"]


def _ratios(sides: Any) -> list[float]:
    prefect, plain = sides
    return [one / other for one, other in zip(prefect, plain, strict=True)]


def _header(*names: str) -> None:
    _row(*names)


def _row(first: str, *rest: str) -> None:
    print(f"{first:<20}" + "".join(f"{cell:>11}" for cell in rest))
