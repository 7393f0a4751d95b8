"""Short form of `benchmarks/train_throughput.py`: without the peer, on few images, and without judging time."""

import re

import pytest

from benchmarks import train_throughput
from benchmarks.train_throughput import Figures, report


def test_it_trains_and_tells_how_fast(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_throughput.main(["--peer", "none", "--tiny"]) == 0
    rates = re.findall(r"small, the product: ([0-9.]+) images/s", capsys.readouterr().out)
    assert len(rates) == 1 and float(rates[0]) > 0


@pytest.mark.parametrize(
    "worse", [{"theirs": 90.0}, {"recall": 0.3}, {"cut": 1300.0}, {"cut": 1000.0, "whole": 1000.0}]
)
def test_each_bar_can_be_missed(worse: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    assert report(_figures())
    assert not report(_figures(**worse))
    capsys.readouterr()


def _figures(theirs: float = 40.0, recall: float = 0.5, cut: float = 1050.0, whole: float = 1800.0) -> Figures:
    return Figures(
        rates={"small": {"the product": [100.0, 90.0, 110.0], "open_clip_train": [theirs] * 3}},
        seconds={"open_clip_train": 60.0, "the product": 60.0},
        recall={"open_clip_train": (0.4, 0.35, 0.45), "the product": (recall, recall - 0.05, recall + 0.05)},
        peaks={"a batch of 32": 1000.0, "128 in 4 pieces": cut, "128 whole": whole},
    )
