"""Short form of `benchmarks/serve_load.py`: without the peer, on a tiny model, and without judging time."""

import pytest

from benchmarks import serve_load
from benchmarks.harness.load_client import DISTINCT, Asked, Service, words
from benchmarks.serve_load import CLIENTS, Figures, Overload, Round, report

SERVICES = [Service("this app", 1, "/", {}, 10), Service("clip-retrieval", 2, "/", {}, 10)]


@pytest.mark.slow
def test_every_query_is_answered_and_an_overload_is_survived(capsys: pytest.CaptureFixture[str]) -> None:
    short = ["--items", "300", "--seconds", "1", "--rounds", "1", "--overload-seconds", "3"]
    code = serve_load.main([*short, "--peer", "none", "--tiny", "--flags", "--threads 1"])
    assert code == 0, capsys.readouterr().out


def test_a_slower_app_or_an_unclean_refusal_misses_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    fine = Overload(400, answered=900, refused=80, before_mb=500, peak_mb=600, recovery=0.3, alive=True)
    assert report(_figures(ours=(200.0, 40.0), overload=fine), SERVICES)
    assert not report(_figures(ours=(50.0, 40.0), overload=fine), SERVICES)  # not three times the throughput
    assert not report(_figures(ours=(200.0, 900.0), overload=fine), SERVICES)  # p95 above half
    for overhead in (0.5, -0.9):  # too much of it, and a floor that another program held up
        assert not report(_figures(ours=(200.0, 40.0), overload=fine, overhead=overhead), SERVICES)
    for broken in ({"alive": False}, {"faults": ["500"]}, {"peak_mb": 5000.0}, {"recovery": 9.0}):
        assert not report(_figures((200.0, 40.0), Overload(**{**vars(fine), **broken})), SERVICES)
    capsys.readouterr()


def _figures(ours: tuple[float, float], overload: Overload, overhead: float = 0.1) -> Figures:
    figures = Figures()
    for clients in CLIENTS:
        for service, (throughput, p95) in zip(SERVICES, (ours, (20.0, 200.0)), strict=True):
            figures.rounds[service.name, clients] = [Round(throughput, p95 / 2, p95, ())]
    figures.floors, figures.overhead, figures.overload = [[10.0]], [overhead], overload
    return figures


def test_an_answer_without_its_hits_is_a_fault() -> None:
    service, plain = SERVICES[0], {"content-type": "application/problem+json", "retry-after": "1"}
    assert service.fault(200, {}, b'{"hits": [1, 2]}') == "2 hits"
    assert service.fault(503, plain, b'{"status": 503}') == ""
    assert service.fault(503, {}, b'{"status": 503}') and service.fault(500, plain, b"{}")


def test_rounds_are_summed_up_and_queries_differ() -> None:
    asked = [Asked(due=second, took=0.5, status=200, fault="") for second in range(10)]
    assert Round.of(asked) == Round(pytest.approx(10 / 9.5), 500.0, 500.0, ())
    assert Round.of([*asked, Asked(3, 0.1, 503, "")]).faults == ("refused: 503",)
    assert len({words(number) for number in range(DISTINCT)}) == DISTINCT
