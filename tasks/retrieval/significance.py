"""Bootstrap intervals over queries, and paired tests between two models on the same queries.

Queries of one title or design are answered alike: a thousand rows of eighteen titles are eighteen observations. Where
``clusters`` says which rows belong together, whole clusters are resampled (Field and Welsh 2007) and flipped.
"""

from typing import Any, TypeGuard

import numpy as np
from scipy.stats import binomtest

from tasks.retrieval.config import EvaluationConfig
from tasks.schema.errors import ConfigError

_FLIPS = 9_999  # sign flips behind a permutation p-value; the smallest p is 1e-4
_BLOCK_CELLS = 2**22


def intervals(
    per_query: dict[str, np.ndarray], config: EvaluationConfig, clusters: np.ndarray | None = None
) -> dict[str, dict[str, float]]:
    """Mean of each metric with its percentile bootstrap interval (Efron 1979), queries resampled with replacement.

    per_query: metric -> (n,) float. clusters: (n,) int, rows that are resampled together; None: each alone. Returns
    metric -> {"value", "low", "high"}; all metrics share the resamples.
    """
    names = list(per_query)
    table = np.stack([per_query[name] for name in names], axis=1).astype(np.float64)
    low, high = _bootstrap(table, config, clusters)
    value = table.mean(axis=0)
    return {
        name: {"value": float(value[i]), "low": float(low[i]), "high": float(high[i])} for i, name in enumerate(names)
    }


def compare(
    baseline: dict[str, np.ndarray],
    candidate: dict[str, np.ndarray],
    config: EvaluationConfig,
    clusters: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Per metric: candidate minus baseline on the same queries, its paired bootstrap interval, and a two-sided p-value.

    clusters: (n,) int, rows that are resampled and flipped together; None: each alone. The test is that of
    `paired_test`. Returns metric -> {"baseline", "candidate", "difference", "low", "high", "p_value", "test", "n",
    "distinct"}, the last being the number of clusters. Raises ConfigError where metrics or queries do not match.
    """
    _check_paired(baseline, candidate)
    names = list(baseline)
    before = np.stack([baseline[name] for name in names], axis=1).astype(np.float64)
    after = np.stack([candidate[name] for name in names], axis=1).astype(np.float64)
    low, high = _bootstrap(after - before, config, clusters)
    distinct = len(before) if clusters is None else len(np.unique(clusters))
    result: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(names):
        p_value, test = paired_test(before[:, i], after[:, i], config.seed, clusters)
        result[name] = {
            "baseline": float(before[:, i].mean()),
            "candidate": float(after[:, i].mean()),
            "difference": float((after[:, i] - before[:, i]).mean()),
            "low": float(low[i]),
            "high": float(high[i]),
            "p_value": p_value,
            "test": test,
            "n": len(before),
            "distinct": distinct,
        }
    return result


def paired_test(
    before: np.ndarray, after: np.ndarray, seed: int, clusters: np.ndarray | None = None
) -> tuple[float, str]:
    """Two-sided p-value of "no difference" between two (n,) arrays over the same queries, and the test's name.

    McNemar's exact one (a binomial over the queries on which the two disagree) for 0/1 values, else a sign-flip
    permutation of the mean difference. Rows of one cluster are no independent votes: their differences are summed, and
    the sums flipped.
    """
    if _repeats(clusters):
        return _permutation(_sums(after - before, clusters), seed), "sign-flip permutation of distinct queries"
    if np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all():
        won, lost = int((after > before).sum()), int((after < before).sum())
        p_value = float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
        return p_value, "McNemar, exact"
    return _permutation(after - before, seed), "sign-flip permutation"


def cluster_means(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Mean of ``values`` (n,) in each cluster (c,), by rising cluster: every distinct query counts once."""
    means: np.ndarray = _sums(values, clusters) / _sums(np.ones(len(values)), clusters)
    return means


def _permutation(difference: np.ndarray, seed: int) -> float:
    difference = difference[difference != 0]
    if not len(difference):
        return 1.0
    rng = np.random.default_rng(seed)
    observed, extreme = abs(difference.sum()) * (1 - 1e-12), 0
    step = max(1, _BLOCK_CELLS // len(difference))
    for start in range(0, _FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, _FLIPS - start), len(difference)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(signs @ difference) >= observed).sum())
    return (extreme + 1) / (_FLIPS + 1)


def _bootstrap(
    table: np.ndarray, config: EvaluationConfig, clusters: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    sums, sizes = table, np.ones(len(table))
    if _repeats(clusters):
        sums, sizes = _sums(table, clusters), _sums(sizes, clusters)
    n = len(sums)
    rng = np.random.default_rng(config.seed)
    means = np.empty((config.bootstrap_samples, table.shape[1]))
    for sample in range(config.bootstrap_samples):
        drawn = np.bincount(rng.integers(0, n, size=n), minlength=n)
        means[sample] = drawn @ sums / (drawn @ sizes)
    tail = (1 - config.confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def _repeats(clusters: np.ndarray | None) -> TypeGuard[np.ndarray]:
    """Whether any two rows belong together."""
    return clusters is not None and len(np.unique(clusters)) < len(clusters)


def _sums(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sums over the rows of each cluster, by rising cluster: (c, ...) of (n, ...)."""
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def _check_paired(baseline: dict[str, np.ndarray], candidate: dict[str, np.ndarray]) -> None:
    faults = []
    if set(baseline) != set(candidate):
        faults.append(f"metrics differ: {sorted(set(baseline) ^ set(candidate))} are on one side only")
    shared = [name for name in baseline if name in candidate]
    faults += [
        f"{name}: {len(baseline[name])} and {len(candidate[name])} queries"
        for name in shared
        if len(baseline[name]) != len(candidate[name])
    ]
    if not baseline or any(len(values) == 0 for values in baseline.values()):
        faults.append("no metric or no query to compare")
    if faults:
        raise ConfigError("the evaluations cannot be paired: " + "; ".join(faults) + "; measure both on one split")
