"""Retrieval metrics of a model, exact, with bootstrap intervals.

An answer is a relevant candidate.

recall@k        share of queries with at least one answer in the first k ("success at k", as in the CLIP papers)
mrr             mean of 1 / rank of the first answer, over the whole ranking
ndcg@k          binary gains, discount 1 / log2(1 + rank), ideal over min(k, answers)
precision@k     share of the first k that are answers; at most answers / k for a query with fewer than k
Equal scores are ordered by candidate row (`ranking.py`).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.ranking import Ranked, Relevance, rank
from tasks.retrieval.significance import cluster_means, intervals
from tasks.retrieval.vectors import checked
from tasks.schema.errors import ConfigError
from tasks.schema.evaluation import DISTINCT_QUERIES, MULTI_POSITIVE, SINGLE_POSITIVE


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and the values of each query behind them.

    metrics: JSON-able. per_query: "direction/relevance/metric" -> (n,) float64, for `significance.compare`.
    top: direction -> (n, depth) int64, the best candidate rows of each query, for galleries. first_rank:
    "direction/relevance" -> (n,) int64, from 1. queries: rows of the given queries that were measured, in order.
    """

    metrics: dict[str, Any]
    per_query: dict[str, np.ndarray]
    top: dict[str, np.ndarray]
    first_rank: dict[str, np.ndarray]
    queries: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def evaluate(
    text_vectors: np.ndarray,
    image_vectors: np.ndarray,
    titles: Sequence[str],
    groups: Sequence[str],
    config: EvaluationConfig,
) -> Evaluation:
    """Match n texts and their n images both ways. Row i of both belongs to product i.

    text_vectors, image_vectors: (n, d) float32, L2-normalised. "single_positive": only the product's own image (text)
    is an answer. "multi_positive": so is that of every product connected to it by an equal normalised title or group;
    empty titles and groups connect nothing. Connected products are one distinct query: intervals resample those, and
    where there are any, "distinct_queries" has the multi-positive figures with each counted once. metrics: {"n",
    "distinct_queries", "multi_positive_share", "text_to_image": {"single_positive": {"recall@1": {"value", "low",
    "high"}, ...}, "multi_positive": ..., "distinct_queries"?: ...}, "image_to_text": ...}.

    Raises ConfigError where lengths differ or there is nothing to match.
    """
    texts = checked(text_vectors, "text vectors")
    images = checked(image_vectors, "image vectors", dim=texts.shape[1])
    lengths = {"texts": len(texts), "images": len(images), "titles": len(titles), "groups": len(groups)}
    if len(set(lengths.values())) > 1 or not len(texts):
        raise ConfigError(f"expected as many of each and at least one, found {lengths}: is the split empty?")
    own, same = np.arange(len(texts)), equivalent(titles, groups)
    relevances = {SINGLE_POSITIVE: Relevance(own, own), MULTI_POSITIVE: Relevance(same, same)}
    share = float((relevances[MULTI_POSITIVE].counts() > 1).mean())
    distinct = len(np.unique(same))
    metrics: dict[str, Any] = {"n": len(texts), "distinct_queries": distinct, "multi_positive_share": share}
    result = Evaluation(metrics, {}, {}, {}, own)
    for direction, queries, candidates in (("text_to_image", texts, images), ("image_to_text", images, texts)):
        _measure_into(result, direction, queries, candidates, relevances, config, same)
    return result


def evaluate_queries(
    query_vectors: np.ndarray,
    candidate_vectors: np.ndarray,
    query_keys: Sequence[str],
    candidate_keys: Sequence[str],
    config: EvaluationConfig,
) -> Evaluation:
    """Measure queries with many answers, e.g. "blue mug": every candidate with the query's key is one.

    query_vectors (q, d), candidate_vectors (m, d): float32, L2-normalised. Of each key only the first row is measured,
    otherwise common colours would weigh a hundred times as much. Queries with an empty key or without an answer are
    left out and counted. metrics: {"n", "unanswered", "answers_median", "hit@1", "precision@10", "ndcg@10", "mrr"}.
    Raises ConfigError where no query is left.
    """
    candidates = checked(candidate_vectors, "candidate vectors")
    queries = checked(query_vectors, "query vectors", dim=candidates.shape[1])
    if len(queries) != len(query_keys) or len(candidates) != len(candidate_keys):
        raise ConfigError(
            f"found {len(queries)} queries with {len(query_keys)} keys and {len(candidates)} candidates with "
            f"{len(candidate_keys)} keys: expected one key for each"
        )
    known = {key: code for code, key in enumerate(dict.fromkeys(key for key in candidate_keys if key))}
    first = {key: row for row, key in reversed(list(enumerate(query_keys))) if key}
    rows = np.array(sorted(row for key, row in first.items() if key in known), dtype=np.int64)
    if not len(rows):
        raise ConfigError(f"none of {len(first)} distinct queries has an answer: compare the keys of both sides")
    relevance = Relevance(
        np.array([known[query_keys[row]] for row in rows], dtype=np.int64),
        np.array([known.get(key, len(known)) for key in candidate_keys], dtype=np.int64),
    )
    ranked, top = rank(queries[rows], candidates, {"key": relevance}, config.ndcg_at, config.chunk_rows)
    answers = relevance.counts()
    per_query = _many_answers(ranked["key"], answers, config)
    metrics = {"n": len(rows), "unanswered": len(first) - len(rows), "answers_median": float(np.median(answers))}
    return Evaluation(
        metrics | intervals(per_query, config), per_query, {"queries": top}, {"queries": ranked["key"].first_rank}, rows
    )


def equivalent(titles: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Class (n,) int64 of each product: connected components of equal normalised titles and equal groups."""
    n = len(titles)
    nodes: dict[tuple[str, str], int] = {}
    pairs = []
    for row, (title, group) in enumerate(zip(titles, groups, strict=True)):
        for name in (("title", normalise_title(title)), ("group", group)):
            if name[1]:
                pairs.append((row, nodes.setdefault(name, n + len(nodes))))
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n + len(nodes),) * 2)
    _, components = connected_components(graph, directed=False)
    return np.asarray(components[:n], np.int64)


def normalise_title(title: str) -> str:
    """``title`` in the form that listings of one product share: NFKC, lower case, letters and digits only."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", title).casefold()))


def _measure_into(
    result: Evaluation,
    direction: str,
    queries: np.ndarray,
    candidates: np.ndarray,
    relevances: Mapping[str, Relevance],
    config: EvaluationConfig,
    clusters: np.ndarray,
) -> None:
    depth = max(*config.ks, config.ndcg_at)
    ranked, top = rank(queries, candidates, dict(relevances), depth, config.chunk_rows)
    result.top[direction] = top
    result.metrics[direction] = {}
    for name, relevance in relevances.items():
        per_query = _one_answer(ranked[name], relevance.counts(), config)
        result.metrics[direction][name] = intervals(per_query, config, clusters)
        result.per_query.update({f"{direction}/{name}/{metric}": values for metric, values in per_query.items()})
        result.first_rank[f"{direction}/{name}"] = ranked[name].first_rank
    if len(np.unique(clusters)) < len(clusters):
        many = by_distinct_query(result.per_query, direction, clusters)
        result.metrics[direction][DISTINCT_QUERIES] = intervals(many, config)


def by_distinct_query(
    per_query: Mapping[str, np.ndarray], direction: str, clusters: np.ndarray
) -> dict[str, np.ndarray]:
    """Multi-positive metrics of one direction, one value a distinct query: metric -> (c,)."""
    prefix = f"{direction}/{MULTI_POSITIVE}/"
    return {
        name.removeprefix(prefix): cluster_means(values, clusters)
        for name, values in per_query.items()
        if name.startswith(prefix)
    }


def _one_answer(ranked: Ranked, answers: np.ndarray, config: EvaluationConfig) -> dict[str, np.ndarray]:
    per_query = {f"recall@{k}": (ranked.first_rank <= k).astype(np.float64) for k in config.ks}
    per_query["mrr"] = 1.0 / ranked.first_rank
    per_query[f"ndcg@{config.ndcg_at}"] = ndcg(ranked.hits, answers, config.ndcg_at)
    return per_query


def _many_answers(ranked: Ranked, answers: np.ndarray, config: EvaluationConfig) -> dict[str, np.ndarray]:
    k = config.ndcg_at
    return {
        "hit@1": (ranked.first_rank == 1).astype(np.float64),
        f"precision@{k}": ranked.hits[:, :k].sum(axis=1) / k,
        f"ndcg@{k}": ndcg(ranked.hits, answers, k),
        "mrr": 1.0 / ranked.first_rank,
    }


def ndcg(hits: np.ndarray, answers: np.ndarray, k: int) -> np.ndarray:
    """Compute nDCG@k (n,) of binary gains (Jarvelin 2002).

    hits: (n, depth) bool, best row first. answers: (n,) counts, at least 1.
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gained = hits[:, :k] @ discounts[: hits.shape[1]]
    values: np.ndarray = gained / np.cumsum(discounts)[np.minimum(answers, k) - 1]
    return values
