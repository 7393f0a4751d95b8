import gc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import BuiltIndex, build_index, save_index
from tasks.retrieval.search import RowFilter, Searcher
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError

N, DIM = 12_000, 24


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIM))
    images = centres[rng.integers(0, 60, size=N)] + 0.6 * rng.normal(size=(N, DIM))
    return (images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    texts = np.random.default_rng(1).normal(size=(50, DIM))
    return (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def built(vectors, queries) -> dict[str, BuiltIndex]:
    return {
        kind: build_index(vectors, queries, IndexConfig(kind=kind, recall_target=0.9))
        for kind in ("flat", "ivf_flat", "ivf_sq8", "ivf_refine")
    }


@pytest.fixture(scope="module")
def searchers(built, tmp_path_factory) -> dict[str, Searcher]:
    folder = tmp_path_factory.mktemp("indexes")
    return {kind: Searcher.open(save_index(one, folder / kind), one.search_params) for kind, one in built.items()}


def exact(vectors: np.ndarray, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> np.ndarray:
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def overlap(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


def test_flat_search_is_exact(searchers, vectors, queries) -> None:
    scores, rows = searchers["flat"].search(queries, 20)
    np.testing.assert_array_equal(rows, exact(vectors, queries, 20))
    np.testing.assert_allclose(scores, np.einsum("qkd,qd->qk", vectors[rows], queries), atol=1e-5)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64


@pytest.mark.parametrize("kind", ["flat", "ivf_flat"])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3])
def test_a_narrow_filter_returns_exactly_the_best_allowed_rows(kind, share, searchers, vectors, queries) -> None:
    allowed = np.random.default_rng(2).random(N) < share
    assert 1 <= allowed.sum() < 5000
    _, rows = searchers[kind].search(queries, 10, allowed)
    width = min(10, int(allowed.sum()))
    np.testing.assert_array_equal(rows[:, :width], exact(vectors, queries, 10, allowed)[:, :width])
    assert (rows[:, width:] == -1).all()


def test_a_filter_over_rounded_codes_loses_little(searchers, vectors, queries) -> None:
    allowed = np.random.default_rng(3).random(N) < 0.05
    _, rows = searchers["ivf_sq8"].search(queries, 10, allowed)
    assert allowed[rows].all()
    assert overlap(rows, exact(vectors, queries, 10, allowed)) > 0.95


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_sq8", "ivf_refine"])
@pytest.mark.parametrize("share", [0.45, 0.8, 0.999])
def test_a_wide_filter_keeps_the_recall(kind, share, searchers, built, vectors, queries) -> None:
    allowed = np.random.default_rng(4).random(N) < share
    _, rows = searchers[kind].search(queries, 10, allowed)
    assert allowed[rows].all()
    assert overlap(rows, exact(vectors, queries, 10, allowed)) >= built[kind].figures["recall"] - 0.05


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_sq8", "ivf_refine"])
def test_every_row_comes_when_asked_for_more_than_there_are(kind, searchers, queries) -> None:
    scores, rows = searchers[kind].search(queries[:2], N + 5)
    np.testing.assert_array_equal(np.sort(rows[:, :N]), np.tile(np.arange(N), (2, 1)))
    assert (rows[:, N:] == -1).all()
    assert np.isneginf(scores[:, N:]).all()


def test_a_query_gets_as_many_rows_as_asked_even_from_few_probed_cells(built, tmp_path, queries) -> None:
    searcher = Searcher.open(save_index(built["ivf_flat"], tmp_path / "i"), {"nprobe": 1})
    _, rows = searcher.search(queries, 2000)
    assert (rows >= 0).all()
    assert all(len(set(found)) == 2000 for found in rows.tolist())


@pytest.mark.parametrize("params", [{"nprobe": 1}, {"nprobe": 8, "margin": 0.1}, {"nprobe": 8, "margin": 0}])
@pytest.mark.parametrize("width", [1, 10, 400])
def test_queries_together_find_what_each_finds_alone(params, width, built, queries) -> None:
    """One that has to look into every cell, because its own hold too few rows, must not make the others look too."""
    searcher = Searcher(built["ivf_flat"].index, params)
    _, rows = searcher.search(queries, width)
    np.testing.assert_array_equal(rows, np.concatenate([searcher.search(query[None], width)[1] for query in queries]))


def test_a_query_between_many_cells_looks_into_more_of_them_than_an_easy_one(built, vectors) -> None:
    index, seen = built["ivf_flat"].index, faiss.cvar.indexIVF_stats
    centres = index.quantizer.reconstruct_n(0, index.nlist)
    hard = centres[:8].sum(axis=0)
    compared = []
    for query in (centres[0], hard / np.linalg.norm(hard)):
        for params in ({"nprobe": 16, "margin": 0.2}, {"nprobe": 16}):
            seen.reset()
            Searcher(index, params).search(query[None].astype(np.float32), 1)
            compared.append(seen.nlist)
    easy, easy_without, between, without = compared
    assert easy < between <= 24
    assert easy_without == without == 16


@pytest.mark.parametrize("kind", ["flat", "ivf_sq8"])
def test_nothing_allowed_and_nothing_asked_give_nothing(kind, searchers, queries) -> None:
    scores, rows = searchers[kind].search(queries, 4, np.zeros(N, bool))
    assert (rows == -1).all()
    assert np.isneginf(scores).all()
    assert rows.shape == (50, 4)
    scores, rows = searchers[kind].search(queries[:0], 4)
    assert scores.shape == rows.shape == (0, 4)


def test_copies_of_one_image_come_in_row_order(tmp_path, vectors) -> None:
    copies = np.repeat(vectors[:30], 8, axis=0)
    built = build_index(copies, vectors[:0], IndexConfig(kind="flat"))
    searcher = Searcher.open(save_index(built, tmp_path / "i"))
    _, rows = searcher.search(vectors[:30], 8)
    np.testing.assert_array_equal(rows, np.arange(240).reshape(30, 8))


def test_threads_do_not_disturb_each_other(searchers, queries) -> None:
    searcher = searchers["ivf_sq8"]
    filters = [np.random.default_rng(k).random(N) < share for k, share in enumerate((0.001, 0.1, 0.6, 0.99))]
    cases = [(k, allowed) for k in (1, 7, 300) for allowed in (None, *filters)]
    alone = [searcher.search(queries, k, allowed) for k, allowed in cases]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda case: searcher.search(queries, *case), cases * 6))
    for i, (scores, rows) in enumerate(together):
        np.testing.assert_array_equal(rows, alone[i % len(cases)][1])
        np.testing.assert_array_equal(scores, alone[i % len(cases)][0])


def test_an_open_index_outlives_its_replacement_on_disk(built, tmp_path, vectors, queries) -> None:
    path = save_index(built["flat"], tmp_path / "i")
    searcher = Searcher.open(path)
    before = searcher.search(queries, 10)
    other = build_index(vectors[:500], vectors[:0], IndexConfig(kind="flat"))
    save_index(other, path)
    after = searcher.search(queries, 10)
    np.testing.assert_array_equal(before[1], after[1])
    assert Searcher.open(path).ntotal == 500


def test_wrong_questions_are_refused(searchers, built, queries) -> None:
    searcher = searchers["flat"]
    assert (searcher.ntotal, searcher.dim) == (N, DIM)
    with pytest.raises(ConfigError, match=r"found shape \(50, 23\), expected \(queries, 24\)"):
        searcher.search(queries[:, 1:], 5)
    with pytest.raises(ConfigError, match="top_k=0"):
        searcher.search(queries, 0)
    with pytest.raises(ConfigError, match="NaN"):
        searcher.search(queries * np.nan, 5)
    with pytest.raises(ConfigError, match=r"expected bool of shape \(12000,\)"):
        searcher.search(queries, 5, np.ones(N - 1, bool))
    with pytest.raises(ConfigError, match="expected bool"):
        searcher.search(queries, 5, np.ones(N, np.int64))
    for params in ({"nprobe": 0}, {"nprobe": 4, "margin": -0.1}, {"nprobe": 4, "margin": float("nan")}):
        with pytest.raises(ConfigError, match="take them from the index's manifest"):
            Searcher(built["ivf_flat"].index, params)


def test_missing_truncated_and_foreign_files_are_told_apart(built, tmp_path) -> None:
    with pytest.raises(ArtifactMissing, match="no index at"):
        Searcher.open(tmp_path / "absent")
    whole = save_index(built["ivf_sq8"], tmp_path / "i").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "foreign").write_bytes(b"PK\x03\x04 no index at all")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("cut", "foreign", "empty"):
        with pytest.raises(ArtifactCorrupt, match="is no FAISS index"):
            Searcher.open(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**20),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from(["flat", "ivf_flat", "ivf_sq8", "ivf_refine"]),
)
def test_any_search_returns_distinct_allowed_rows_best_first(searchers, queries, seed, top_k, share, kind) -> None:
    allowed = np.random.default_rng(seed).random(N) < share**3
    scores, rows = searchers[kind].search(queries[:5], top_k, allowed)
    width = min(top_k, int(allowed.sum()))
    assert (rows[:, :width] >= 0).all()
    assert (rows[:, width:] == -1).all()
    assert allowed[rows[:, :width]].all()
    assert all(len(set(found)) == width for found in rows[:, :width].tolist())
    assert (np.diff(scores[:, :width], axis=1) <= 0).all()


def test_a_filter_packed_once_finds_what_the_plain_one_finds(searchers, queries) -> None:
    allowed = np.random.default_rng(4).random(N) < 0.999
    packed = RowFilter(allowed)
    for searcher in searchers.values():
        plain = searcher.search(queries, 10, allowed)
        with ThreadPoolExecutor(4) as pool:
            for scores, rows in pool.map(lambda _, one=searcher: one.search(queries, 10, packed), range(8)):
                np.testing.assert_array_equal(rows, plain[1])
                np.testing.assert_array_equal(scores, plain[0])
    with pytest.raises(ConfigError, match="expected bool"):
        searchers["flat"].search(queries, 10, RowFilter(allowed[:-1]))


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_sq8", "ivf_refine"])
@pytest.mark.parametrize("share", [0.45, 0.6, 0.9])
def test_a_filter_of_departments_far_from_the_query_keeps_the_recall(
    kind, share, searchers, built, vectors, queries
) -> None:
    centres = np.random.default_rng(0).normal(size=(60, DIM))
    department = np.argmax(vectors @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T, axis=1)
    recalls = []
    for query in queries[:20, None]:
        farthest = np.argsort(query[0] @ centres.T)
        allowed = np.isin(department, farthest[: int(share * 60)])
        assert allowed.sum() > 5000
        _, rows = searchers[kind].search(query, 10, allowed)
        assert allowed[rows].all()
        recalls.append(overlap(rows, exact(vectors, query, 10, allowed)))
    assert np.mean(recalls) >= built[kind].figures["recall"]


def test_queries_together_under_one_filter_find_what_each_finds_alone(searchers, queries) -> None:
    allowed = np.random.default_rng(5).random(N) < 0.6
    many = np.tile(queries, (12, 1))  # more than are planned at once
    for searcher in searchers.values():
        scores, rows = searcher.search(many, 10, allowed)
        alone = [searcher.search(query[None], 10, allowed) for query in queries]
        np.testing.assert_array_equal(rows, np.tile(np.concatenate([one[1] for one in alone]), (12, 1)))
        np.testing.assert_allclose(scores[:50], np.concatenate([one[0] for one in alone]), atol=1e-5)


def test_a_wide_filter_asked_for_more_rows_than_its_first_cells_hold_gets_them(built, tmp_path, queries) -> None:
    searcher = Searcher.open(save_index(built["ivf_flat"], tmp_path / "i"), {"nprobe": 1})
    allowed = np.random.default_rng(6).random(N) < 0.7
    _, rows = searcher.search(queries, 6500, allowed)
    assert allowed[rows].all()
    assert all(len(set(found)) == 6500 for found in rows.tolist())


def test_a_filter_counts_once_for_an_index_and_forgets_it_with_the_index(built, tmp_path, queries) -> None:
    wanted = RowFilter(np.random.default_rng(7).random(N) < 0.7)
    path = save_index(built["ivf_sq8"], tmp_path / "i")
    searcher = Searcher.open(path, {"nprobe": 8})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(searcher.search, queries, allowed=wanted), [10] * 8))
    (counts,) = wanted._counts.values()
    assert counts.sum() == wanted.count
    assert counts.nbytes == 4 * built["ivf_sq8"].figures["nlist"]
    another = Searcher.open(path, {"nprobe": 4})
    another.search(queries, 10, wanted)
    assert len(wanted._counts) == 2
    assert any(kept is counts for kept in wanted._counts.values())
    del searcher, another
    gc.collect()
    assert len(wanted._counts) == 0


def test_an_index_whose_rows_are_not_numbered_from_zero_is_refused(vectors, tmp_path) -> None:
    index = faiss.index_factory(DIM, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:1000])
    index.add_with_ids(vectors[:100], np.arange(100) + 7)
    with pytest.raises(ArtifactCorrupt, match="rows 0 to 99 once"):
        Searcher.open(save_index(index, tmp_path / "shifted"))
    index.reset()
    index.add_with_ids(vectors[:100], np.arange(100) // 2)
    with pytest.raises(ArtifactCorrupt, match="rows 0 to 99 once"):
        Searcher.open(save_index(index, tmp_path / "twice"))


@pytest.mark.parametrize(
    ("codes", "by_residual", "lost"),
    [
        ("Flat", None, 0),
        ("IVF32,Flat", False, 0),
        ("IVF32,SQ8", True, 0.02),
        ("IVF32,SQ8", False, 0.02),
        ("IVF32,PQ6x6np", True, 0.5),
        ("IVF32,PQ6x6np", False, 0.5),
    ],
)
def test_a_sample_is_of_the_stored_vectors(codes, by_residual, lost, vectors, tmp_path) -> None:
    index = faiss.index_factory(DIM, codes, faiss.METRIC_INNER_PRODUCT)
    if by_residual is not None:
        index.by_residual = by_residual
    index.train(vectors)
    index.add(vectors)
    searcher = Searcher.open(save_index(index, tmp_path / "i"))
    some = searcher.sample(300, seed=3)
    drawn = np.sort(np.random.default_rng(3).choice(N, 300, replace=False))
    assert some.dtype == np.float32
    assert some.shape == (300, DIM)
    assert np.linalg.norm(some - vectors[drawn], axis=1).mean() <= lost
    np.testing.assert_array_equal(some, searcher.sample(300, seed=3))
    assert not np.array_equal(some, searcher.sample(300, seed=4))
    everything = searcher.sample(N + 1, seed=0)
    assert everything.shape == (N, DIM)
    assert np.linalg.norm(everything - vectors, axis=1).mean() <= lost
    with pytest.raises(ConfigError, match="rows=0"):
        searcher.sample(0, seed=0)
