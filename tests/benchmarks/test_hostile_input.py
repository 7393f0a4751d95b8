"""Short form of `benchmarks/hostile_input.py`: the app as a process of its own, sent what means harm."""

import pytest

from benchmarks import hostile_input
from benchmarks.hostile.client import Seen
from benchmarks.hostile.images import crafted, mutated
from benchmarks.hostile_input import report


@pytest.mark.slow
def test_nothing_hostile_is_a_fault_of_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    code = hostile_input.main(["--pictures", "60", "--sessions", "60", "--rounds", "2", "--short"])
    assert code == 0, capsys.readouterr().out


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    first, again = ([upload.content for upload in mutated(3, 200)] for _ in range(2))
    assert first == again and len({*first}) > 190
    assert [upload.content for upload in mutated(4, 200)] != first
    families = {upload.family for upload in crafted(slow=False)}
    assert families == {"polyglot", "another kind of file", "odd but good", "truncated"}


def test_a_fault_a_wait_or_a_heap_misses_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {
        "before_mb": 500.0,
        "peak_mb": 600.0,
        "after_mb": 520.0,
        "again_mb": 530.0,
        "decoder_mb": 300.0,
        "alive": 1.0,
        "right": 1.0,
    }
    fine = [Seen("JSON", "x", 422, 0.1), Seen("bomb", "y", 413, 1.0)]
    assert report(fine, [], figures)
    assert not report([*fine, Seen("JSON", "z", 500, 0.1, "Internal Server Error")], [], figures)
    assert not report([*fine, Seen("JSON", "z", 200, 99.0)], [], figures)
    assert not report(fine, ["Undocumented status code in GET /v1/release"], figures)
    for worse in ({"peak_mb": 3000.0}, {"again_mb": 700.0}, {"decoder_mb": 2000.0}, {"alive": 0.0}, {"right": 0.0}):
        assert not report(fine, [], figures | worse), worse
    capsys.readouterr()
