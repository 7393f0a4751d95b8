"""Indexes and metrics for programs that know FAISS alone."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from tasks.retrieval.config import EvaluationConfig, IndexConfig
from tasks.retrieval.index import build_index, save_index
from tasks.retrieval.metrics import evaluate
from tasks.retrieval.portable import original_metrics, save_portable
from tasks.retrieval.search import Searcher

N, DIM = 4000, 32
HIDDEN = np.array([0, 7, 1999, N - 1])
NONE = np.zeros(0, np.int64)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(60, DIM))[rng.integers(0, 60, N)] + 0.6 * rng.normal(size=(N, DIM)))


@pytest.fixture(scope="module")
def queries(vectors: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return unit(vectors[rng.integers(0, N, 200)] + 0.2 * rng.normal(size=(200, DIM)))


def overlap(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)]))


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_fp16", "ivf_sq8", "ivf_pq", "ivf_refine"])
def test_faiss_alone_finds_what_the_product_finds(kind: str, vectors, queries, tmp_path: Path) -> None:
    built = build_index(vectors, queries, IndexConfig(kind=kind))
    source = save_index(built, tmp_path / "index.faiss")
    searcher = Searcher.open(source, built.search_params)
    save_portable(source, tmp_path / "whole", built.search_params, NONE)
    index = faiss.read_index(str(tmp_path / "whole"))
    assert index.ntotal == N
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    own = overlap(searcher.search(queries, 10)[1], exact)
    assert overlap(index.search(queries, 10)[1], exact) >= own - 0.01

    save_portable(source, tmp_path / "hidden", built.search_params, HIDDEN)
    index = faiss.read_index(str(tmp_path / "hidden"))
    allowed = ~np.isin(np.arange(N), HIDDEN)
    asked = np.concatenate([vectors[HIDDEN], queries])
    rows = index.search(asked, 10)[1]
    assert not np.isin(rows, HIDDEN).any(), "a row taken out is never an answer"
    assert overlap(rows, searcher.search(asked, 10, allowed)[1]) >= 0.95, "every other row keeps its number"


def test_default_search_of_the_stored_file_is_worse(vectors, queries, tmp_path: Path) -> None:
    """Why the file is not copied as it is: FAISS alone would look into one cell."""
    built = build_index(vectors, queries, IndexConfig(kind="ivf_flat"))
    source = save_index(built, tmp_path / "index.faiss")
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    assert overlap(faiss.read_index(str(source)).search(queries, 10)[1], exact) < built.figures["recall"] - 0.05


def test_metrics_have_the_original_s_names(vectors) -> None:
    titles = [f"title {row}" for row in range(20)]
    config = EvaluationConfig(bootstrap_samples=100)
    metrics = evaluate(vectors[:20], vectors[:20], titles, titles, config).metrics
    text, image = original_metrics(metrics)
    assert (text["direction"], image["direction"]) == ("text_to_image", "image_to_text")
    assert text["n"] == 20 and text["recall_at"] == {"1": 1.0, "5": 1.0, "10": 1.0} and text["mrr"] == 1.0
    assert list(text["recall_at"]) == ["1", "5", "10"] and text["intervals"]["mrr"] == [1.0, 1.0]
