"""Short form of `benchmarks/filtered_search.py`: a filter costs no recall, wherever its rows lie."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.filtered_search import FILTERS, QUERIES, SHARES, Line, report, run


def test_filtered_search_finds_what_exact_search_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(tmp_path, items=25_000, dim=32, kind="ivf_flat", homes=3, per_home=6)
    assert report(lines), capsys.readouterr().out
    own = [line for line in lines if line.way == "search"]
    assert len(own) == len(SHARES) * len(FILTERS) * len(QUERIES)
    for way in ("drop after", "same nprobe"):  # the questions are hard enough to tell
        assert min(line.recall for line in lines if line.way == way and line.share >= 0.25) < 0.5


def test_lost_recall_and_broken_filters_miss_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    fine = Line(0.5, "far", "text", "search", recall=0.96, outside=0, missing=0, slower=2.0)
    assert report([fine, replace(fine, way="same nprobe", recall=0.1, missing=3)])
    assert not report([fine, replace(fine, recall=0.94)])
    assert not report([fine, replace(fine, outside=1)])
    assert not report([fine, replace(fine, missing=1)])
    capsys.readouterr()
