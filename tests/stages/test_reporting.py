"""Reports over stored evaluations, those with former names of the settings among them."""

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.metrics import Evaluation, evaluate
from tasks.schema.manifest import ArtifactRef, canonical_json
from tasks.stages import reporting
from tasks.store.artifacts.building import building
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store
from tests.conftest import TinyShop


def measured() -> Evaluation:
    vectors = np.eye(6, 8, dtype=np.float32)
    titles = ["red mug", "red mug", *(f"title {row}" for row in range(4))]
    return evaluate(vectors, vectors[[0, 2, 1, 3, 4, 5]], titles, [""] * 6, EvaluationConfig(bootstrap_samples=100))


def former(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.replace("single_positive", "strict"): former(inner) for key, inner in value.items()}
    return value


def stored(store: Store, result: Evaluation, name: str, rename: Any) -> ArtifactRef:
    parents = {"model": ArtifactRef(kind="model", id=name), "catalog": ArtifactRef(kind="catalog", id="any")}
    ranks = {f"{key}/rank": value for key, value in result.first_rank.items()}
    top = {key: pa.array(list(rows)) for key, rows in result.top.items()}
    with building(store, "evaluation", 1, parents, {}) as build:
        metrics = {"split": "test", "model": name, **result.metrics}
        (build.folder / "metrics.json").write_text(canonical_json(rename(metrics)))
        (build.folder / "per_query.parquet").write_bytes(table_bytes(pa.table(rename(result.per_query))))
        (build.folder / "ranking.parquet").write_bytes(table_bytes(pa.table(rename(top | ranks))))
        build.commit({"n": 6})
    return build.ref


def test_an_evaluation_with_former_names_is_read_and_compared_with_one_of_today(empty_store: TinyShop) -> None:
    store, result = empty_store.store, measured()
    assert "strict" in former(result.metrics)["text_to_image"]
    old, new = (
        reporting._read(store, stored(store, result, name, rename))
        for name, rename in (("old", former), ("new", lambda value: value))
    )
    assert {**old.metrics, "model": "new"} == new.metrics
    assert old.ranking.equals(new.ranking)
    assert reporting._headline(old) == reporting._headline(new)
    config, clusters = EvaluationConfig(bootstrap_samples=100), {"test": np.arange(6)}
    differences = reporting._differences([new], [old], config, clusters)["test"]
    assert differences["text_to_image/single_positive/mrr"]["difference"] == 0
    assert differences.keys() == result.per_query.keys()
    repeated = {"test": np.array([0, 0, 1, 2, 3, 4])}
    differences = reporting._differences([new], [old], config, repeated)["test"]
    assert differences["text_to_image/distinct_queries/recall@1"]["n"] == 5
    assert differences["text_to_image/multi_positive/recall@1"]["distinct"] == 5


def test_recall_of_more_answers_than_there_are_is_no_figure(empty_store: TinyShop) -> None:
    headline = reporting._headline(
        reporting._read(empty_store.store, stored(empty_store.store, measured(), "new", lambda value: value))
    )
    assert headline.keys() == {"recall@1", "recall@5", "mrr", "ndcg@10"}
