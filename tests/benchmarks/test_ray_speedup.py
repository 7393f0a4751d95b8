"""Bars of `benchmarks/ray_speedup.py`. What Ray embeds is held to the engine here by flows/test_embed_on_ray.py."""

import pytest

from benchmarks.ray_speedup import HERE, ONE, TWO, Figures, report


@pytest.mark.parametrize("worse", [{"two": 15.0}, {"here": 23.0}, {"a_shard": 0.1}, {"distance": 0.01}])
def test_each_bar_can_be_missed(worse: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    assert report(_figures())
    assert not report(_figures(**worse))
    capsys.readouterr()


def _figures(two: float = 19.0, here: float = 20.0, a_shard: float = 0.004, distance: float = 1e-4) -> Figures:
    rates = {HERE: [here] * 3, ONE: [10.0] * 3, TWO: [two] * 3}
    return Figures(rates, {ONE: [9.0], TWO: [12.0]}, 6.0, a_shard, distance)
