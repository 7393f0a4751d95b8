"""Short form of `benchmarks/index_quality.py`: the defaults hold the recall on questions nothing was tuned on."""

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from benchmarks.harness.synthetic import clip_like
from benchmarks.index_quality import FASTER, MEMORY_MB, RECALL, Bench, Contender, fastest, missed, run
from benchmarks.peers.index_builders import OURS, PEER, Built
from tasks.retrieval.search import Searcher


def test_the_defaults_hold_the_recall_and_a_cell_fewer_would_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, items=6_000, dim=48, threads=1, peer=None)
    ours = bench.build(OURS)
    assert "SQfp16" in ours.built.factory and missed(6_000, ours, None) == []
    exact = bench.build("Flat")
    assert exact.text == exact.image == 1.0 and exact.bytes_per_vector == pytest.approx(4 * 48, rel=0.01)
    assert ours.bytes_per_vector < exact.bytes_per_vector
    one_cell = Searcher.open(ours.built.path, {"nprobe": 1}).search
    assert bench.text.recall(one_cell, bench.vectors) < 0.9  # the questions are hard enough to tell
    graph = bench.plain("HNSW32")
    assert graph.text >= RECALL and graph.parameters > "efSearch="
    assert fastest([exact, graph], bench) in (exact, graph)


def test_what_is_asked_was_neither_indexed_nor_tuned_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, items=3_000, dim=16, threads=1, peer=None)
    images, texts = (clip_like(5_000, 16, side=side) for side in ("image", "text"))
    np.testing.assert_array_equal(bench.vectors, images[:3_000])
    np.testing.assert_array_equal(np.load(tmp_path / "texts.npy"), texts[1_000:3_000])
    np.testing.assert_array_equal(bench.text.queries, texts[3_000:])
    np.testing.assert_array_equal(bench.image.queries, images[3_000:])


def test_a_table_and_a_verdict_come_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, items=6_000, dim=32, plain=["IVF{cells},SQ8"], threads=1, peer=None) == []
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 6000")]
    assert [line.split("|")[2].strip() for line in lines] == [OURS, "best of plain FAISS"]
    assert "IVF128,SQ8 nprobe=" in lines[1]


def test_each_bar_is_told_when_missed() -> None:
    built = Built("", "", "", seconds=10.0, peak_mb=100.0)
    search = faiss.IndexFlatIP(1).search
    ours = Contender(OURS, built, None, "", search, text=0.985, single=[0.1, 0.2, 0.1])
    theirs = Contender(PEER, built, None, "", search, text=1.0, single=[1.2, 2.2, 0.9])
    assert missed(1, ours, theirs) == []
    assert "recall@10" in missed(1, replace(ours, text=RECALL - 0.001), theirs)[0]
    assert "MB" in missed(1, replace(ours, built=replace(built, peak_mb=MEMORY_MB + 1)), theirs)[0]
    assert f"bar {FASTER:g}" in missed(1, replace(ours, single=[0.2, 0.3, 0.2]), theirs)[0]
    assert "built in 11.0 s" in missed(1, replace(ours, built=replace(built, seconds=11.0)), theirs)[0]
