"""What the default index costs, counted rather than timed: distances computed for a query, and bytes."""

import faiss
import numpy as np
import pytest

from benchmarks.harness.synthetic import clip_like
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.exact import exact_top
from tasks.retrieval.index import BuiltIndex, build_index
from tasks.retrieval.search import Searcher

ITEMS, DIM, ASKED = 20_000, 64, 500
SHARE = 0.08  # of the vectors; 0.068 when this was written, 0.085 with as many cells for every query


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clip_like(ITEMS, DIM)


@pytest.fixture(scope="module")
def texts() -> np.ndarray:
    return clip_like(ITEMS, DIM, side="text")


@pytest.fixture(scope="module")
def built(vectors: np.ndarray, texts: np.ndarray) -> BuiltIndex:
    return build_index(vectors, texts[ASKED : ASKED + 2000], IndexConfig())


def test_a_query_is_compared_with_few_vectors(built: BuiltIndex, vectors: np.ndarray, texts: np.ndarray) -> None:
    counts = faiss.cvar.indexIVF_stats
    searcher, asked = Searcher(built.index, built.search_params), texts[:ASKED]
    counts.reset()
    _, rows = searcher.search(asked, 10)
    assert 0 < counts.ndis / ASKED < SHARE * ITEMS
    _, right = exact_top(vectors, asked, 10)
    assert _recall(rows, right) > 0.97  # few at the price of recall would be easy


def test_the_recall_holds_where_more_is_asked_for_than_it_was_tuned_on(
    built: BuiltIndex, vectors: np.ndarray, texts: np.ndarray
) -> None:
    _, right = exact_top(vectors, texts[:ASKED], 100)
    served, as_many = (Searcher(built.index, params) for params in (built.search_params, _without_margin(built)))
    assert _recall(served.search(texts[:ASKED], 100)[1], right) > 0.975
    assert _recall(as_many.search(texts[:ASKED], 100)[1], right) < 0.97  # it does not hold by itself


def _without_margin(built: BuiltIndex) -> dict[str, int]:
    return {"nprobe": built.search_params["nprobe"]}


def _recall(rows: np.ndarray, right: np.ndarray) -> float:
    hits = sum(len(set(found) & set(best)) for found, best in zip(rows.tolist(), right.tolist(), strict=True))
    return hits / right.size


def test_a_vector_takes_two_bytes_a_number_and_its_row(built: BuiltIndex) -> None:
    centres = 4 * DIM * built.figures["nlist"] / ITEMS
    assert built.figures["bytes_per_vector"] < 2 * DIM + 8 + centres + 1
