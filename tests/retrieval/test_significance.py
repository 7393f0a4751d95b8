import numpy as np
import pytest
from scipy.stats import binomtest

from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.significance import cluster_means, compare, intervals, paired_test
from tasks.schema.errors import ConfigError

CONFIG = EvaluationConfig()


def test_interval_of_a_share_matches_the_binomial_one() -> None:
    hits = np.zeros(1040)
    hits[:718] = 1  # 0.69: half-width 1.96 sqrt(p q / n) = 2.8 points
    cell = intervals({"recall@1": hits}, CONFIG)["recall@1"]
    assert cell["value"] == pytest.approx(718 / 1040)
    assert cell["high"] - cell["low"] == pytest.approx(2 * 0.0281, rel=0.1)


def test_intervals_repeat_with_the_seed_and_widen_with_confidence() -> None:
    values = {"mrr": np.random.default_rng(0).random(200)}
    assert intervals(values, CONFIG) == intervals(values, CONFIG)
    wide = intervals(values, EvaluationConfig(confidence=0.999))["mrr"]
    narrow = intervals(values, EvaluationConfig(confidence=0.6))["mrr"]
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    config = EvaluationConfig(bootstrap_samples=200)
    covered = 0
    for _ in range(200):
        cell = intervals({"x": rng.exponential(size=200)}, config)["x"]
        covered += cell["low"] <= 1.0 <= cell["high"]
    assert 0.88 <= covered / 200 <= 0.99


def test_mcnemar_counts_only_the_queries_that_changed() -> None:
    before, after = np.zeros(500), np.zeros(500)
    before[:300] = after[:300] = 1
    before[300:305], after[305:325] = 1, 1  # lost 5, won 20
    p_value, test = paired_test(before, after, seed=0)
    assert test == "McNemar, exact"
    assert p_value == pytest.approx(binomtest(20, 25, 0.5).pvalue)


def test_permutation_finds_a_shift_and_not_noise() -> None:
    rng = np.random.default_rng(2)
    before = rng.random(300)
    noise = rng.normal(scale=0.1, size=300)
    assert paired_test(before, before + noise + 0.05, seed=0)[0] < 0.001
    shuffled = [paired_test(before, before + rng.normal(scale=0.1, size=300), seed=k)[0] for k in range(60)]
    assert sum(p < 0.05 for p in shuffled) <= 9  # 3 expected of 60


def test_permutation_agrees_with_every_flip_written_out() -> None:
    difference = np.array([0.3, 0.1, -0.05, 0.2, 0.15, -0.02, 0.07, 0.11])
    signs = np.array(np.meshgrid(*[[1, -1]] * 8)).reshape(8, -1)
    exact = (np.abs(difference @ signs) >= abs(difference.sum()) - 1e-12).mean()
    assert paired_test(np.zeros(8), difference, seed=0)[0] == pytest.approx(exact, abs=0.01)


def test_compare_reports_difference_interval_and_test() -> None:
    rng = np.random.default_rng(3)
    before = {"recall@1": (rng.random(400) < 0.5).astype(float), "mrr": rng.random(400) * 0.5}
    after = {"recall@1": np.maximum(before["recall@1"], rng.random(400) < 0.2), "mrr": before["mrr"] + 0.01}
    result = compare(before, after, CONFIG)
    cell = result["recall@1"]
    assert cell["difference"] == pytest.approx(cell["candidate"] - cell["baseline"])
    assert 0 < cell["low"] <= cell["difference"] <= cell["high"]
    assert cell["p_value"] < 0.001
    assert cell["n"] == 400
    assert result["mrr"]["low"] == pytest.approx(0.01)
    assert result["mrr"]["test"] == "sign-flip permutation"


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(4)
    difficulty = rng.random(500)
    before, after = {"mrr": difficulty}, {"mrr": difficulty * 0.98 + 0.02}
    apart = intervals(before, CONFIG)["mrr"]
    together = compare(before, after, CONFIG)["mrr"]
    assert (together["high"] - together["low"]) < 0.1 * (apart["high"] - apart["low"])


def test_no_difference_gives_p_one() -> None:
    values = {"recall@1": np.ones(9), "mrr": np.full(9, 0.5)}
    assert {cell["p_value"] for cell in compare(values, values, CONFIG).values()} == {1.0}


def test_evaluations_of_different_queries_are_not_paired() -> None:
    with pytest.raises(ConfigError, match=r"one side only.*mrr: 3 and 4 queries"):
        compare({"mrr": np.ones(3), "a": np.ones(3)}, {"mrr": np.ones(4)}, CONFIG)


def repeated(distinct: int, times: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One value a distinct query, in each of its rows, and the code of that query."""
    return np.repeat(rng.random(distinct), times), np.repeat(np.arange(distinct), times)


def test_rows_of_one_query_are_one_observation() -> None:
    values, clusters = repeated(18, 55, np.random.default_rng(5))
    alone = intervals({"x": values}, CONFIG)["x"]
    together = intervals({"x": values}, CONFIG, clusters)["x"]
    once = intervals({"x": cluster_means(values, clusters)}, CONFIG)["x"]
    assert together == pytest.approx(once), "equal clusters: as if each query had been asked once"
    assert together["high"] - together["low"] > 5 * (alone["high"] - alone["low"])


def test_a_loss_on_few_titles_is_chance_however_often_they_are_listed() -> None:
    rng = np.random.default_rng(6)
    before, clusters = repeated(18, 55, rng)
    after = np.clip(before + np.repeat(rng.normal(-0.02, 0.06, size=18), 55), 0, 1)
    naive = compare({"x": before}, {"x": after}, CONFIG)["x"]
    honest = compare({"x": before}, {"x": after}, CONFIG, clusters)["x"]
    assert naive["difference"] == honest["difference"] < 0
    assert naive["high"] < 0 < honest["high"]
    assert naive["p_value"] < 0.001 < 0.05 < honest["p_value"]
    assert (honest["n"], honest["distinct"], naive["distinct"]) == (990, 18, 990)
    assert honest["test"] == "sign-flip permutation of distinct queries"


def test_the_clustered_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    config = EvaluationConfig(bootstrap_samples=200)
    covered = 0
    for _ in range(150):
        sizes = rng.integers(1, 12, size=60)
        values = np.repeat(rng.exponential(size=60), sizes)
        cell = intervals({"x": values}, config, np.repeat(np.arange(60), sizes))["x"]
        covered += cell["low"] <= 1.0 <= cell["high"]
    assert 0.84 <= covered / 150 <= 0.99


def test_without_repeats_clusters_change_nothing() -> None:
    values, shuffled = np.random.default_rng(8).random(60), np.random.default_rng(9).permutation(60)
    assert intervals({"x": values}, CONFIG, shuffled) == intervals({"x": values}, CONFIG)
    won = (values > 0.5).astype(float)
    assert paired_test(won, 1 - won, 0, shuffled) == paired_test(won, 1 - won, 0)
