"""How well one model retrieves on one split: its metrics, and the ranks of every query."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tasks.catalog.splits import FEWEST
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.errors import ConfigError
from tasks.schema.evaluation import SINGLE_POSITIVE
from tasks.schema.manifest import ArtifactRef, Manifest, canonical_json
from tasks.schema.tables import CAPTION_KINDS
from tasks.stages.choosing import too_few_to_measure
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.building import Build
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store

if TYPE_CHECKING:
    from tasks.clip.encoder import Encoder

RECIPE = 1
_COLUMNS = ("item_id", "title", "group_id", "captions", "image_sha256", "split")


def measure(build: Build, model: ArtifactRef, catalog: ArtifactRef, split: str, config: EvaluationConfig) -> Manifest:
    """Measure text->image and image->text by titles, and by every other query type, and store the figures.

    Raises ConfigError where the split has fewer than two items.
    """
    from tasks.retrieval.metrics import evaluate

    items = split_items(build.store, catalog, split)
    if len(items) < FEWEST:
        groups = fetch_table(build.store, catalog, "items.parquet", columns=["group_id"])["group_id"]
        raise ConfigError(too_few_to_measure(catalog, split, len(items), Counter(groups.to_pylist())))
    encoder = load_encoder(model)
    images = embeddings.load_vectors(build.store, model.id, [item["image_sha256"] for item in items])
    titles = [item["title"] for item in items]
    result = evaluate(encoder.encode_texts(titles), images, titles, [item["group_id"] for item in items], config)
    facts = _facts(build.store, model, catalog, split)
    metrics = {**facts, **result.metrics, "queries": _query_types(items, images, encoder, config)}
    (build.folder / "metrics.json").write_text(canonical_json(metrics), encoding="utf-8")
    (build.folder / "per_query.parquet").write_bytes(table_bytes(pa.table(result.per_query)))
    (build.folder / "ranking.parquet").write_bytes(table_bytes(_ranking(result.top, result.first_rank)))
    headline = result.metrics["text_to_image"][SINGLE_POSITIVE]
    return build.commit(
        summary={
            "split": split,
            "n": len(items),
            "distinct_queries": result.metrics["distinct_queries"],
            **{name: cell["value"] for name, cell in headline.items()},
        },
        rows={"per_query.parquet": len(items), "ranking.parquet": len(items)},
    )


def _facts(store: Store, model: ArtifactRef, catalog: ArtifactRef, split: str) -> dict[str, Any]:
    summary = load_manifest(store, model).summary
    return {
        "model": model.id,
        "model_name": summary.get("name", model.id),
        "untrained": bool(summary.get("random_weights", False)),
        "split": split,
        "catalog": catalog.id,
    }


def _ranking(top: dict[str, np.ndarray], first_rank: dict[str, np.ndarray]) -> pa.Table:
    """Best candidate rows of each query (``text_to_image``, ...) and rank of its first answer (``.../rank``)."""
    columns = {direction: pa.array(list(rows), pa.list_(pa.int64())) for direction, rows in top.items()}
    return pa.table({**columns, **{f"{name}/rank": ranks for name, ranks in first_rank.items()}})


def split_items(store: Store, catalog: ArtifactRef, split: str) -> list[dict[str, Any]]:
    """Items of one split in the catalogue's order; row i of an evaluation of that split is item i."""
    rows = fetch_table(store, catalog, "items.parquet", columns=_COLUMNS).to_pylist()
    return [{**row, "captions": dict(row["captions"])} for row in rows if row["split"] == split]


def _query_types(
    items: Sequence[dict[str, Any]], images: np.ndarray, encoder: "Encoder", config: EvaluationConfig
) -> dict[str, Any]:
    """Metrics by kind of caption: every item with the same words is an answer. Kinds that no item has are left out."""
    from tasks.retrieval.metrics import evaluate_queries

    measured = {}
    for kind in CAPTION_KINDS:
        texts = [item["captions"].get(kind, "") for item in items]
        if any(texts):
            keys = [text.casefold() for text in texts]
            measured[kind] = evaluate_queries(encoder.encode_texts(texts), images, keys, keys, config).metrics
    return measured
