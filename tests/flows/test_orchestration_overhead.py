"""Short form of `benchmarks/orchestration_overhead.py`: the flows that load no model, and time is not judged."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cost.flow_cost import Cost
from benchmarks.cost.orchestration_figures import PREFECT_FIRST, Figures, Measured, report
from benchmarks.cost.prefect_meter import PrefectMeter, Use
from benchmarks.orchestration_overhead import Bench, open_shop
from deployments.settings import StackSettings
from tests.flow_runs import FlowRuns

pytestmark = [pytest.mark.server, pytest.mark.slow]
PREPARE, MAP = "flows.prepare_catalog:prepare_catalog", "benchmarks.cost.small_flows:map_tasks"
_IMPORT_ALL = """
import sys
from benchmarks.cost import without_prefect
without_prefect.install()
import flows.pipeline, flows.reindex
assert not [name for name in sys.modules if name.startswith("prefect.") and name not in without_prefect.MODULES]
"""


@pytest.fixture
def bench(prefect_server: str, prefect_stack: StackSettings, tmp_path: Path) -> Bench:
    return Bench(PrefectMeter(prefect_server, prefect_stack.var), tmp_path)


def test_both_ways_make_the_same_and_only_one_asks_a_server(bench: Bench, tmp_path: Path) -> None:
    shop = open_shop(tmp_path / "shop", items=60, shard_size=40, whole=False)
    config = shop.pipeline()["catalog"]
    prefect, plain = (bench.run(way, PREPARE, config, tmp_path / way) for way in PREFECT_FIRST)
    assert plain.cost.result == prefect.cost.result
    assert (prefect.use.flow_runs, prefect.use.task_runs) == (1, 2)
    assert prefect.cost.requests["POST flow_runs/"] == 1 and prefect.cost.requests["POST artifacts/"] > 1
    assert prefect.cost.connections
    assert plain.use.flow_runs == plain.use.task_runs == plain.cost.connections == 0
    assert 0 <= plain.cost.held_up < prefect.cost.held_up < prefect.cost.flow
    assert 0 < prefect.cost.working < prefect.cost.flow


def test_mapped_tasks_are_mapped_both_ways(bench: Bench, tmp_path: Path) -> None:
    prefect, plain = (bench.run(way, MAP, 4, tmp_path) for way in PREFECT_FIRST)
    assert plain.cost.result == prefect.cost.result == 0 + 1 + 2 + 3
    assert (prefect.use.task_runs, plain.use.task_runs) == (4, 0)


def test_what_was_killed_before_is_not_waited_for(prefect_stack: StackSettings, runs: FlowRuns) -> None:
    killed = {"task_key": "embed", "dynamic_key": "0", "state": {"type": "RUNNING"}}
    old = PrefectMeter(runs.url, prefect_stack.var)
    runs.post("/task_runs/", killed)
    assert PrefectMeter(runs.url, prefect_stack.var).settled(seconds=30)
    with pytest.raises(TimeoutError, match="not settled"):
        old.settled(seconds=3)


def test_no_flow_takes_a_name_of_prefect_that_a_run_without_it_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


def test_real_images_make_the_share_smaller() -> None:
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
