"""The short form of benchmarks/faulty_store.py: a night over a server that fails calls, and one that fails them all."""

from collections.abc import Iterator

import pytest

from benchmarks.faulty_store import Bench, open_bench, ride_outage, run_nights
from benchmarks.harness.servers import running_moto
from benchmarks.harness.tiny_night import make_tiny_night

pytestmark = [pytest.mark.server, pytest.mark.s3, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faulty")
    tiny = make_tiny_night(folder / "shop")
    with running_moto(folder / "moto") as environment:
        yield open_bench(environment, prefect_server, tiny, folder / "runs")


def test_a_night_ends_although_calls_fail(bench: Bench) -> None:
    assert run_nights(bench, nights=1, share=0.08).faults == []


def test_an_outage_fails_the_night_cleanly_and_the_next_run_reuses_its_work(bench: Bench) -> None:
    assert ride_outage(bench, seconds=1.0).faults == []
