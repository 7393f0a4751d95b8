"""What a flow asks of Prefect's server is bounded by its shards: counted on a tiny pipeline, at a server that runs."""

from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.cost.flow_cost import counted_requests
from benchmarks.cost.prefect_meter import PrefectMeter
from benchmarks.harness.tiny_night import make_tiny_night
from deployments.settings import StackSettings
from flows.pipeline import PipelineConfig, pipeline
from flows.reindex import ReindexConfig, reindex
from tasks.clip.config import SHARD_SIZE
from tasks.orchestration import run_artifacts as show
from tasks.store.objects.store import open_store

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: Its progress begun and ended, and tries more of a busy server. A slot taken for each would be 6 more.
REQUESTS_A_SHARD = 4
#: Of a pipeline but for its shards. With training, which this one lacks, it has a third more.
TASK_RUNS, REQUESTS = 40, 120


@dataclass(frozen=True)
class Asked:
    """What one run asked of the server, and how many shards it embedded."""

    shards: int
    task_runs: int
    requests: int


@pytest.fixture(scope="module")
def asked(prefect_server: str, prefect_stack: StackSettings, tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """A pipeline in few shards, the same in many, and a night after it on which nothing changed."""
    night = make_tiny_night(tmp_path_factory.mktemp("night"))
    meter = PrefectMeter(prefect_server, prefect_stack.var)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show, "_SECONDS_BETWEEN_UPDATES", 3600.0)  # so that a slow machine asks no more
        for size in (64, 8):
            folder = tmp_path_factory.mktemp("store")
            patch.setenv("STORE_URI", str(folder / "store"))
            patch.setenv("STORE_CACHE", str(folder / "cache"))
            config = PipelineConfig.model_validate(night.first().model_dump() | {"embed": {"shard_size": size}})
            found.append(_ask(meter, pipeline, config))
        found.append(_ask(meter, reindex, ReindexConfig(publish_anyway=True)))
    return found


def _ask(meter: PrefectMeter, flow: Any, config: Any) -> Asked:
    meter.settled()
    before = _shards()
    with counted_requests() as requests:
        _, use = meter.measure(lambda: flow(config))
    return Asked(_shards() - before, use.task_runs, len(requests))


def _shards() -> int:
    return sum("/part-" in info.path for info in open_store().list("embeddings"))


def test_a_shard_is_one_task_run_and_few_requests(asked: list[Asked]) -> None:
    few, many, _ = asked
    assert many.shards > few.shards + 4
    assert many.task_runs - few.task_runs == many.shards - few.shards
    assert many.requests - few.requests <= REQUESTS_A_SHARD * (many.shards - few.shards)


def test_all_else_is_the_same_for_a_shop_of_any_size(asked: list[Asked]) -> None:
    for one in asked[:2]:
        assert one.task_runs - one.shards <= TASK_RUNS
        assert one.requests - REQUESTS_A_SHARD * one.shards <= REQUESTS


def test_a_hundred_thousand_products_are_at_most_200_task_runs(asked: list[Asked]) -> None:
    shards = 100_000 // SHARD_SIZE + 3  # val and test, and what is left, end in a shard that is not full
    fine_tuned = shards // 5 + 1  # val and test once more, with the other model
    assert asked[0].task_runs - asked[0].shards + shards + fine_tuned + TASK_RUNS // 3 <= 200


def test_a_night_without_changes_asks_little(asked: list[Asked]) -> None:
    night = asked[2]
    assert (night.shards, night.task_runs) == (0, 5)
    assert night.requests <= 40
