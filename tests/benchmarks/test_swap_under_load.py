"""Short form of `benchmarks/swap_under_load.py`: the app as a process of its own, asked by another during swaps."""

import pytest

from benchmarks import swap_under_load
from benchmarks.swap_under_load import Asked, report


@pytest.mark.slow
def test_no_query_fails_or_mixes_releases_over_swaps(capsys: pytest.CaptureFixture[str]) -> None:
    code = swap_under_load.main(["--queries", "200", "--swaps", "3", "--items", "200"])
    assert code == 0, capsys.readouterr().out


def test_a_mixed_answer_or_a_third_release_misses_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"before_mb": 500.0, "peak_mb": 520.0, "after_mb": 510.0, "most_resident": 2, "resident": 1}
    fine = [Asked(float(second), second + 0.5, "a", "") for second in range(10)]
    assert report(fine, [(3.0, 4.0)], seen, wanted=5)
    assert not report([*fine, Asked(5, 6, "a", "found another release's")], [(3.0, 4.0)], seen, wanted=5)
    assert not report(fine, [(3.0, 4.0)], seen | {"most_resident": 3}, wanted=5)
    assert not report(fine, [(3.0, 4.0)], seen | {"after_mb": 700.0}, wanted=5)
    assert not report(fine, [(3.0, 4.0)], seen, wanted=50)
    capsys.readouterr()
