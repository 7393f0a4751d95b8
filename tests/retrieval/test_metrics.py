import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytrec_eval import RelevanceEvaluator

from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.metrics import equivalent, evaluate, evaluate_queries, ndcg, normalise_title
from tasks.retrieval.ranking import Relevance, rank
from tasks.schema.errors import ConfigError

CONFIG = EvaluationConfig(bootstrap_samples=100)


def unit(rng: np.random.Generator, n: int, dim: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def tied(rng: np.random.Generator, n: int, distinct: int) -> np.ndarray:
    """Copies of a few images: every score comes many times."""
    return unit(rng, distinct)[rng.integers(0, distinct, size=n)]


def trec_figures(queries, candidates, relevance, measures):
    """What trec_eval says. It orders ties by name, so it is given the order of our rule (equal scores by row)."""
    qrels, run = {}, {}
    for i, query in enumerate(queries):
        scores = np.round(candidates.astype(np.float64) @ query.astype(np.float64), 9)
        order = np.lexsort((np.arange(len(candidates)), -scores))
        run[f"q{i}"] = {f"d{row:04d}": float(len(order) - place) for place, row in enumerate(order)}
        answers = np.flatnonzero(relevance.candidates == relevance.queries[i])
        qrels[f"q{i}"] = {f"d{row:04d}": 1 for row in answers}
    found = RelevanceEvaluator(qrels, set(measures)).evaluate(run)
    return {one: np.array([found[f"q{i}"][one] for i in range(len(queries))]) for one in measures}


@pytest.mark.parametrize("distinct", [400, 6], ids=["random", "tied"])
def test_one_answer_metrics_agree_with_trec_eval(distinct: int) -> None:
    rng = np.random.default_rng(1)
    images = tied(rng, 60, distinct)
    texts = tied(rng, 60, distinct)
    titles = [f"Title {k}" for k in rng.integers(0, 25, size=60)]
    groups = [f"g{k}" for k in rng.integers(0, 40, size=60)]
    result = evaluate(texts, images, titles, groups, CONFIG)
    classes = equivalent(titles, groups)
    for name, codes in (("single_positive", np.arange(60)), ("multi_positive", classes)):
        want = trec_figures(
            texts,
            images,
            Relevance(codes, codes),
            ["success_1", "success_5", "success_10", "recip_rank", "ndcg_cut_10"],
        )
        for ours, theirs in (("recall@1", "success_1"), ("recall@5", "success_5"), ("recall@10", "success_10")):
            np.testing.assert_allclose(result.per_query[f"text_to_image/{name}/{ours}"], want[theirs])
        for ours, theirs in (("mrr", "recip_rank"), ("ndcg@10", "ndcg_cut_10")):
            np.testing.assert_allclose(result.per_query[f"text_to_image/{name}/{ours}"], want[theirs], atol=1e-12)


@pytest.mark.parametrize("distinct", [400, 6], ids=["random", "tied"])
def test_many_answer_metrics_agree_with_trec_eval(distinct: int) -> None:
    rng = np.random.default_rng(2)
    queries, candidates = unit(rng, 12), tied(rng, 80, distinct)
    keys = [f"key {k}" for k in rng.integers(0, 12, size=80)]
    query_keys = list(dict.fromkeys(keys))
    queries = queries[: len(query_keys)]
    result = evaluate_queries(queries, candidates, query_keys, keys, CONFIG)
    codes = {key: code for code, key in enumerate(query_keys)}
    relevance = Relevance(np.arange(len(query_keys)), np.array([codes[key] for key in keys]))
    theirs = {"hit@1": "success_1", "precision@10": "P_10", "ndcg@10": "ndcg_cut_10", "mrr": "recip_rank"}
    want = trec_figures(queries, candidates, relevance, theirs.values())
    for ours, measure in theirs.items():
        np.testing.assert_allclose(result.per_query[ours], want[measure], atol=1e-12)


def test_figures_worked_out_by_hand() -> None:
    # Text i scores image j by the cosine of an angle in the plane: 0, 10, 20, 90 degrees.
    angles = np.radians([0, 10, 20, 90])
    images = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    texts = images[[1, 1, 0, 3]]  # text 0 meets image 1 first; text 2 ranks its own image third
    result = evaluate(texts, images, ["a", "b", "c", "d"], ["x", "x", "", ""], CONFIG)
    np.testing.assert_array_equal(result.first_rank["text_to_image/single_positive"], [2, 1, 3, 1])
    single = result.metrics["text_to_image"]["single_positive"]
    assert single["recall@1"]["value"] == pytest.approx(0.5)
    assert single["mrr"]["value"] == pytest.approx((1 / 2 + 1 + 1 / 3 + 1) / 4)
    assert single["ndcg@10"]["value"] == pytest.approx((1 / np.log2(3) + 1 + 1 / 2 + 1) / 4)
    # Products 0 and 1 are of one group: text 0 now has its answer first, images 0 and 1 take both first places.
    multi = result.metrics["text_to_image"]["multi_positive"]
    assert multi["recall@1"]["value"] == pytest.approx(0.75)
    assert multi["ndcg@10"]["value"] == pytest.approx((1 + 1 + 1 / 2 + 1) / 4)
    assert result.metrics["multi_positive_share"] == 0.5
    assert list(result.top["text_to_image"][0]) == [1, 0, 2, 3]


def test_equal_scores_are_ordered_by_row() -> None:
    images = np.tile(unit(np.random.default_rng(0), 1), (5, 1))
    result = evaluate(images, images, list("abcde"), [""] * 5, CONFIG)
    np.testing.assert_array_equal(result.first_rank["image_to_text/single_positive"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(result.top["image_to_text"], np.tile(np.arange(5), (5, 1)))


def test_block_size_changes_nothing_not_even_among_ties() -> None:
    rng = np.random.default_rng(3)
    texts, images = tied(rng, 97, 9), tied(rng, 97, 9)
    small, large = (
        evaluate(texts, images, ["t"] * 97, [""] * 97, CONFIG.model_copy(update={"chunk_rows": rows}))
        for rows in (7, 1024)
    )
    assert small.metrics == large.metrics
    np.testing.assert_array_equal(small.top["text_to_image"], large.top["text_to_image"])


def test_many_candidates_are_scored_in_bounded_blocks() -> None:
    rng = np.random.default_rng(4)
    candidates = unit(rng, 50_000, 4)
    ranked, top = rank(candidates[:300], candidates, {"own": Relevance(np.arange(300), np.arange(50_000))}, 3, 65_536)
    assert (ranked["own"].first_rank == 1).all()
    np.testing.assert_array_equal(top[:, 0], np.arange(300))


def test_titles_and_groups_join_products_along_chains() -> None:
    titles = ["Blue  Mug!", "blue mug", "Cup", "Plate", "", ""]
    groups = ["", "g1", "g1", "", "", ""]
    classes = equivalent(titles, groups)
    assert classes[0] == classes[1] == classes[2]
    assert len({classes[2], classes[3], classes[4], classes[5]}) == 4


def test_a_title_is_normalised_across_scripts_and_widths() -> None:
    assert normalise_title("Ｔｅａ—Ｃｕｐ, 250ML") == "tea cup 250ml"
    assert normalise_title("GROẞE Tasse") == normalise_title("grosse tasse")
    assert normalise_title("青い マグ") == "青い マグ"


def test_each_query_is_asked_once_and_those_without_answer_are_counted() -> None:
    candidates = unit(np.random.default_rng(5), 6)
    result = evaluate_queries(
        candidates[[0, 0, 2, 3, 4]],
        candidates,
        ["mug", "mug", "vase", "", "boat"],
        ["mug", "mug", "vase", "", "", "vase"],
        CONFIG,
    )
    assert (result.metrics["n"], result.metrics["unanswered"]) == (2, 1)
    np.testing.assert_array_equal(result.queries, [0, 2])
    assert result.metrics["hit@1"]["value"] == 1.0
    assert result.metrics["precision@10"]["value"] == pytest.approx(0.2)


def test_nothing_to_measure_is_refused_with_what_was_found() -> None:
    vectors = unit(np.random.default_rng(6), 3)
    with pytest.raises(ConfigError, match=r"'titles': 2"):
        evaluate(vectors, vectors, ["a", "b"], [""] * 3, CONFIG)
    with pytest.raises(ConfigError, match="not L2-normalised"):
        evaluate(vectors * 2, vectors, list("abc"), [""] * 3, CONFIG)
    with pytest.raises(ConfigError, match="none of 1 distinct queries"):
        evaluate_queries(vectors, vectors, ["x"] * 3, ["y"] * 3, CONFIG)


def test_contradictory_cut_offs_are_refused_together() -> None:
    with pytest.raises(ValueError, match=r"must rise.*must lie") as raised:
        EvaluationConfig(ks=(5, 1, 0))
    assert "(0, 1, 5)" in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**20), st.integers(1, 8))
def test_invariants_hold_for_any_data(n: int, distinct: int, groups: int, seed: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    texts, images = tied(rng, n, distinct), tied(rng, n, distinct)
    config = CONFIG.model_copy(update={"chunk_rows": chunk})
    result = evaluate(texts, images, [""] * n, [f"g{k}" for k in rng.integers(0, groups, size=n)], config)
    assert all(((values >= 0) & (values <= 1 + 1e-12)).all() for values in result.per_query.values())
    for direction in ("text_to_image", "image_to_text"):
        single, multi = (result.metrics[direction][name] for name in ("single_positive", "multi_positive"))
        assert single["recall@1"]["value"] <= single["recall@5"]["value"] <= single["recall@10"]["value"]
        assert single["recall@1"]["value"] <= single["mrr"]["value"] + 1e-12
        assert (
            result.first_rank[f"{direction}/multi_positive"] <= result.first_rank[f"{direction}/single_positive"]
        ).all()
        assert single["recall@5"]["value"] <= multi["recall@5"]["value"]
        for cell in (*single.values(), *multi.values()):
            assert cell["low"] - 1e-12 <= cell["value"] <= cell["high"] + 1e-12 or n < 8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 12), st.integers(0, 5))
def test_ndcg_is_one_exactly_when_the_answers_come_first(hits: list[bool], k: int, missed: int) -> None:
    row = np.array([hits])
    answers = np.array([max(1, int(row.sum()) + missed)])
    value = ndcg(row, answers, k)[0]
    best = min(k, int(answers[0]))
    assert (value == pytest.approx(1)) == (len(hits) >= best and all(hits[:best]))


def test_each_distinct_query_counts_once_however_many_products_have_its_title() -> None:
    rng = np.random.default_rng(7)
    images = unit(rng, 12)
    texts = np.concatenate([np.repeat(images[9:10], 9, axis=0), images[9:]])  # nine of one title miss, others hit
    result = evaluate(texts, images, ["mug"] * 9 + ["a", "b", "c"], [""] * 12, CONFIG)
    assert result.metrics["distinct_queries"] == 4
    figures = result.metrics["text_to_image"]
    assert figures["multi_positive"]["recall@1"]["value"] == pytest.approx(3 / 12)
    assert figures["distinct_queries"]["recall@1"]["value"] == pytest.approx(3 / 4)
    assert figures["distinct_queries"].keys() == figures["multi_positive"].keys()
    apart = evaluate(images, images, [f"{row}" for row in range(12)], [""] * 12, CONFIG)
    assert apart.metrics["distinct_queries"] == 12
    assert "distinct_queries" not in apart.metrics["text_to_image"]
