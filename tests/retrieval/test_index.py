import json

import faiss
import numpy as np
import pytest

from tasks.retrieval.config import IndexConfig
from tasks.retrieval.devices import Device, count_gpus, pick_device
from tasks.retrieval.index import build_index, choose_kind, choose_nlist, choose_tuning_queries, save_index
from tasks.retrieval.search import Searcher
from tasks.schema.errors import ConfigError

DIM = 32


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def shop(
    n: int, seed: int = 0, departments: int = 40, dim: int = DIM, texts: int = 120
) -> tuple[np.ndarray, np.ndarray]:
    """Images in departments, sorted by department, and text queries that lie away from all of them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(departments, dim))
    kind = np.sort(rng.integers(0, departments, size=n))
    images = centres[kind] + 0.5 * rng.normal(size=(n, dim))
    asked = centres[rng.integers(0, departments, size=texts)] + 1.2 * rng.normal(size=(texts, dim))
    return unit(images), unit(asked + rng.normal(size=dim))


def recall_by_numpy(searcher: Searcher, vectors: np.ndarray, queries: np.ndarray, k: int) -> float:
    exact = np.argsort(-(queries.astype(np.float64) @ vectors.T.astype(np.float64)), axis=1)[:, :k]
    _, rows = searcher.search(queries, k)
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(exact, rows, strict=True)]))


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_fp16", "ivf_sq8", "ivf_refine"])
def test_the_published_recall_is_what_a_plain_search_finds(kind: str, tmp_path) -> None:
    vectors, texts = shop(6000)
    built = build_index(vectors, texts, IndexConfig(kind=kind, recall_target=0.95))
    searcher = Searcher.open(save_index(built, tmp_path / "index.faiss"), built.search_params)
    found = recall_by_numpy(searcher, vectors, texts, 10)
    assert built.figures["tuned_on"] == "text queries"
    assert built.figures["tuned_queries"] == 120
    assert built.figures["recall"] == built.figures["recall_text"] == pytest.approx(found, abs=2e-3)
    assert built.figures["target_met"]
    assert found >= 0.948
    if kind != "flat":
        assert 1 <= built.search_params["nprobe"] < built.figures["nlist"]


def test_nprobe_is_no_larger_than_the_target_needs() -> None:
    vectors, texts = shop(6000)
    low, high = (build_index(vectors, texts, IndexConfig(kind="ivf_flat", recall_target=t)) for t in (0.7, 0.99))
    assert low.search_params["nprobe"] < high.search_params["nprobe"]
    tried = {int(step): value for step, value in high.figures["tried"].items()}
    cheaper = [value for step, value in tried.items() if step < high.search_params["nprobe"]]
    assert cheaper
    assert all(value < 0.99 + 0.01 for value in cheaper)
    assert min(cheaper) < 0.99 <= tried[high.search_params["nprobe"]]


def test_a_margin_saves_cells_and_only_where_the_target_is_reached() -> None:
    vectors, texts = shop(6000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_flat", recall_target=0.95))
    assert 0 < built.search_params["margin"] < 2
    assert built.figures["target_met"]
    out_of_reach = build_index(vectors, texts, IndexConfig(kind="ivf_pq", pq_bytes=2, recall_target=1.0))
    assert set(out_of_reach.search_params) == {"nprobe"}


def test_queries_that_were_not_tuned_on_meet_the_target_too() -> None:
    rng = np.random.default_rng(3)
    vectors, texts = shop(4000, texts=3000)
    met = 0
    for seed in range(10):
        order = rng.permutation(len(texts))
        config = IndexConfig(kind="ivf_flat", recall_target=0.9, seed=seed, use_gpu="never")
        built = build_index(vectors, texts[order[:60]], config)
        met += recall_by_numpy(Searcher(built.index, built.search_params), vectors, texts[order[60:]], 10) >= 0.9
    assert met >= 8


def test_text_queries_decide_and_not_images() -> None:
    vectors, texts = shop(6000)
    on_text = build_index(vectors, texts, IndexConfig(kind="ivf_flat", recall_target=0.95))
    on_images = build_index(vectors, texts[:0], IndexConfig(kind="ivf_flat", recall_target=0.95))
    assert on_images.figures["tuned_on"] == "images (no text queries given)"
    assert on_images.figures["recall_text"] is None
    assert on_text.search_params["nprobe"] > on_images.search_params["nprobe"]
    few = build_index(vectors, texts[:5], IndexConfig(kind="ivf_flat", recall_target=0.95))
    assert few.figures["tuned_on"] == "5 text queries and images"


def test_an_unreachable_target_is_said_and_the_best_is_taken() -> None:
    vectors, texts = shop(3000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_pq", pq_bytes=2, recall_target=1.0))
    assert built.factory.endswith("PQ2x8np")
    assert built.figures["target_met"] is False
    assert built.figures["recall"] >= max(built.figures["tried"].values()) - 1.1e-3
    assert built.figures["bytes_per_vector"] < 50


def test_auto_takes_whole_vectors_where_half_precision_cannot_reach_the_target() -> None:
    vectors, texts = shop(6000)
    assert build_index(vectors, texts, IndexConfig()).kind == "ivf_fp16"
    nearly_alike = np.repeat(vectors[:400], 15, axis=0)
    nearly_alike = unit(nearly_alike + 3e-5 * np.random.default_rng(0).normal(size=nearly_alike.shape))
    built = build_index(nearly_alike, texts, IndexConfig(nlist=8))
    assert built.kind == "ivf_flat"
    assert built.figures["target_met"]
    assert "ivf_flat instead of ivf_fp16" in built.figures["notes"][0]
    asked = build_index(vectors, texts, IndexConfig(kind="ivf_sq8", recall_target=1.0))
    assert asked.kind == "ivf_sq8"
    assert not asked.figures["target_met"]


def test_a_shortlist_ranks_by_whole_vector_what_short_codes_only_find(tmp_path) -> None:
    vectors, texts = shop(6000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_refine", recall_target=0.95))
    assert built.factory == "IVF128(SQ8),PQ32x4fsr,Refine(SQfp16)"
    assert built.search_params["shortlist"] in (50, 100, 200, 400)
    assert built.figures["bytes_per_vector"] == pytest.approx(32 * 2.5 + 8, rel=0.15)
    path = save_index(built, tmp_path / "i")
    every_cell = {"nprobe": 128, "shortlist": 400}
    scores, rows = Searcher.open(path, every_cell).search(texts, 10)
    np.testing.assert_allclose(scores, np.einsum("qkd,qd->qk", vectors[rows], texts), atol=1e-3)
    assert recall_by_numpy(Searcher.open(path, every_cell), vectors, texts, 10) > 0.99
    codes_alone = Searcher(faiss.downcast_index(built.index.base_index), {"nprobe": 128})
    assert recall_by_numpy(codes_alone, vectors, texts, 10) < 0.95


def test_few_allowed_rows_are_all_ranked_by_whole_vector() -> None:
    vectors, texts = shop(6000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_refine", recall_target=0.95))
    allowed = np.arange(6000) % 3 == 0
    scores, _ = Searcher(built.index, {"nprobe": 1, "shortlist": 50}).search(texts, 200, allowed)
    exact = -np.sort(-(texts @ vectors[allowed].T), axis=1)[:, :200]
    np.testing.assert_allclose(scores, exact, atol=1e-3)


def test_kind_and_cells_follow_the_size() -> None:
    config = IndexConfig()
    assert [choose_kind(n, config)[0] for n in (1, 4_999, 5_000, 249_999)] == ["flat", "flat", "ivf_fp16", "ivf_fp16"]
    assert [choose_kind(n, config)[0] for n in (250_000, 10**6)] == ["ivf_refine"] * 2
    assert choose_kind(300_000, IndexConfig(flat_below=400_000))[0] == "flat"
    assert [choose_tuning_queries(n, config) for n in (100, 249_999, 250_000)] == [500, 500, 2_000]
    assert choose_tuning_queries(10**6, IndexConfig(tuning_queries=700)) == 700
    assert [choose_nlist(n, config, "ivf_refine") for n in (250_000, 500_000, 10**6)] == [1024, 1024, 2048]
    assert [choose_nlist(n, config) for n in (1, 38, 100_000, 1_000_000)] == [1, 1, 1024, 4096]
    assert all(choose_nlist(n, config) * 39 <= max(n, 39) for n in range(1, 5000, 37))


@pytest.mark.parametrize("kind", ["auto", "flat", "ivf_flat", "ivf_fp16", "ivf_sq8", "ivf_pq", "ivf_refine"])
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_a_tiny_shop_is_indexed_and_found(kind: str, n: int, tmp_path) -> None:
    vectors = shop(n)[0]
    built = build_index(vectors, np.zeros((0, DIM), np.float32), IndexConfig(kind=kind))
    searcher = Searcher.open(save_index(built, tmp_path / "i"), built.search_params)
    scores, rows = searcher.search(vectors, top_k=n + 3)
    np.testing.assert_array_equal(rows[:, 0], np.arange(n))
    np.testing.assert_array_equal(np.sort(rows[:, :n]), np.tile(np.arange(n), (n, 1)))
    assert (rows[:, n:] == -1).all()
    assert np.isneginf(scores[:, n:]).all()
    if kind in ("ivf_pq", "ivf_refine"):
        assert f"replaced by {'ivf_sq8' if kind == 'ivf_pq' else 'ivf_fp16'}" in built.figures["notes"][0]


def test_more_cells_than_the_vectors_feed_are_lowered_and_said() -> None:
    vectors, texts = shop(500)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_flat", nlist=400))
    assert built.figures["nlist"] == 500 // 39
    assert "nlist lowered from 400" in built.figures["notes"][0]


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_fp16", "ivf_sq8", "ivf_pq", "ivf_refine"])
def test_the_same_vectors_give_the_same_bytes(kind: str, tmp_path) -> None:
    vectors, texts = shop(2500)
    config = IndexConfig(kind=kind, pq_bytes=4)
    one, two = (build_index(vectors, texts, config) for _ in range(2))
    assert one.search_params == two.search_params
    files = [save_index(built, tmp_path / name).read_bytes() for built, name in ((one, "a"), (two, "b"))]
    assert files[0] == files[1]
    assert not list(tmp_path.glob("*.part"))


def test_vectors_in_a_file_give_the_same_index(tmp_path, monkeypatch) -> None:
    vectors, texts = shop(2500)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    monkeypatch.setattr("tasks.retrieval.vectors._BLOCK", 999)  # and in other blocks
    in_file = build_index(mapped, texts, IndexConfig(kind="ivf_fp16"))
    monkeypatch.undo()
    in_memory = build_index(vectors, texts, IndexConfig(kind="ivf_fp16"))
    assert in_file.search_params == in_memory.search_params
    one, two = (faiss.serialize_index(built.index).tobytes() for built in (in_file, in_memory))
    assert one == two


def test_training_vectors_come_from_all_departments() -> None:
    vectors, texts = shop(6000)  # sorted by department
    built = build_index(vectors, texts, IndexConfig(kind="ivf_flat", nlist=32))
    assert built.figures["n_train"] == 32 * 40
    first = faiss.index_factory(DIM, "IVF32,Flat", faiss.METRIC_INNER_PRODUCT)
    first.train(vectors[: 32 * 40])
    late = vectors[-1500:]  # departments that the first 1280 rows do not show
    nearness = [float(one.quantizer.search(late, 1)[0].mean()) for one in (built.index, first)]
    assert nearness[0] > nearness[1] + 0.2


def test_no_state_of_a_search_lies_in_the_file(tmp_path) -> None:
    vectors, texts = shop(3000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_sq8"))
    assert built.search_params["nprobe"] > 1
    assert faiss.read_index(str(save_index(built, tmp_path / "i"))).nprobe == 1


def test_figures_are_json_and_complete() -> None:
    vectors, texts = shop(3000)
    steps: list[tuple[float, str]] = []
    built = build_index(vectors, texts, IndexConfig(kind="ivf_sq8"), progress=lambda *step: steps.append(step))
    assert json.loads(json.dumps(built.figures)) == built.figures
    assert json.loads(json.dumps(built.search_params)) == built.search_params
    figures = built.figures
    assert figures["n"] == 3000
    assert figures["dim"] == DIM
    assert figures["device"] == Device(count_gpus()).name
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert figures["train_seconds"] <= figures["build_seconds"]
    assert DIM + 8 <= figures["bytes_per_vector"] < DIM * 4
    shares = [share for share, _ in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_bad_vectors_are_refused_with_every_fault() -> None:
    vectors, texts = shop(200)
    bad = vectors.copy()
    bad[3, 0] = np.nan
    bad[7] *= 3
    with pytest.raises(ConfigError, match=r"1 of 200 rows are not finite, first row 3.*first row 7 has norm 3\.0"):
        build_index(bad, texts, IndexConfig())
    with pytest.raises(ConfigError, match="found dim 16, expected 32"):
        build_index(vectors, unit(np.ones((3, 16))), IndexConfig())
    with pytest.raises(ConfigError, match="no vectors to index"):
        build_index(vectors[:0], texts, IndexConfig())


def test_contradictory_parameters_are_refused_together() -> None:
    with pytest.raises(ValueError, match=r"nlist=8 means nothing.*use_gpu='require' means nothing"):
        IndexConfig(kind="flat", nlist=8, use_gpu="require")


def test_duplicate_images_do_not_count_as_misses() -> None:
    vectors, texts = shop(400)
    copies = np.repeat(vectors, 10, axis=0)
    built = build_index(copies, texts, IndexConfig(kind="ivf_flat", recall_target=0.99))
    assert built.figures["target_met"]
    assert built.figures["recall_image"] == 1.0


def test_cells_assigned_apart_are_those_faiss_assigns() -> None:
    vectors, texts = shop(3000)
    built = build_index(vectors, texts, IndexConfig(kind="ivf_sq8", use_gpu="never"))
    plain = faiss.clone_index(built.index)
    plain.reset()
    plain.add(vectors)
    assert faiss.serialize_index(plain).tobytes() == faiss.serialize_index(built.index).tobytes()


def test_a_required_gpu_that_is_absent_is_refused() -> None:
    if count_gpus():
        pytest.skip("this machine has a GPU that FAISS sees")
    with pytest.raises(ConfigError, match="sees no GPU; install the extra 'gpu'"):
        pick_device("require")
    assert pick_device("auto").name == "cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_sq8", "ivf_pq", "ivf_refine"])
def test_an_index_trained_on_a_gpu_serves_from_the_cpu(kind: str, tmp_path) -> None:
    if not count_gpus():
        pytest.skip(f"FAISS {faiss.__version__} sees no GPU: install the extra 'gpu' on a machine with one")
    vectors, texts = shop(20_000, dim=64)
    on_gpu = build_index(vectors, texts, IndexConfig(kind=kind, use_gpu="require", recall_target=0.95))
    on_cpu = build_index(vectors, texts, IndexConfig(kind=kind, use_gpu="never", recall_target=0.95))
    assert on_gpu.figures["device"].startswith("gpu")
    searcher = Searcher.open(save_index(on_gpu, tmp_path / "i"), on_gpu.search_params)
    assert searcher.ntotal == 20_000
    assert on_gpu.figures["recall"] == pytest.approx(on_cpu.figures["recall"], abs=0.03)
