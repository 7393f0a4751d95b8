"""Short form of `benchmarks/orchestration_overhead.py`: without training, and without judging time."""

from pathlib import Path

import pytest

from benchmarks.flow_cost import Cost
from benchmarks.orchestration_figures import Figures, Measured, report
from benchmarks.orchestration_overhead import Bench, measure, open_shop
from benchmarks.prefect_meter import PrefectMeter, Use
from deployments.settings import StackSettings

pytestmark = [pytest.mark.server, pytest.mark.slow]
ITEMS, SHARD = 120, 40


def test_both_ways_make_the_same_and_only_one_asks_a_server(
    prefect_server: str, prefect_stack: StackSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(tmp_path / "shop", ITEMS, SHARD, whole=False)
    bench = Bench(PrefectMeter(prefect_server, prefect_stack.var), tmp_path)
    nights, small = {"every picture read": True}, ("nothing_below", "call_tasks")
    figures = measure(bench, shop, rounds=1, tasks=3, nights=nights, small=small)
    assert report(figures, judge_time=False), capsys.readouterr().out
    (prefect,), (plain,) = figures.pipeline["prefect"], figures.pipeline["plain"]
    assert prefect.use.flow_runs > 1 and prefect.use.task_runs > ITEMS / SHARD and prefect.cost.requests
    assert plain.use.flow_runs == plain.use.task_runs == 0 and not plain.cost.requests
    assert 0 <= plain.cost.held_up < prefect.cost.held_up < prefect.cost.flow
    assert figures.small["call_tasks"][1].use.task_runs == 3


@pytest.mark.parametrize(
    "worse",
    [
        {"added": 25.0},
        {"connections": 1},
        {"task_runs": 201},
        {"differs": ["release"]},
    ],
)
def test_each_bar_can_be_missed(worse: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    assert report(_figures())
    assert not report(_figures(**worse))
    capsys.readouterr()


def test_real_pictures_make_the_share_smaller() -> None:
    figures = _figures(added=20.0)
    assert (figures.added, figures.most, figures.share) == pytest.approx((20.0, 0.1, 0.05))


def _figures(
    added: float = 15.0, connections: int = 0, task_runs: int = 90, differs: list[str] | None = None
) -> Figures:
    def run(seconds: float, held_up: float, requests: int, runs: int, opened: int) -> Measured:
        cost = Cost(None, seconds, seconds - 2, seconds - 2 - held_up, seconds, {"GET flows": requests}, opened)
        return Measured(cost, Use(1 if runs else 0, runs, 10_000 * runs, 0.1 * runs))

    figures = Figures(100_000, 2048, embedding=0.002, differs=differs or [])
    figures.pipeline = {
        "plain": [run(200.0, 0.0, 0, 0, connections)],
        "prefect": [run(200.0 + added, added, 300, task_runs, 9)],
    }
    figures.small = {"nothing_below": (0, run(3, 1.0, 10, 1, 2))}
    return figures
