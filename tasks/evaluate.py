"""Task: measure one model on one split."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.embed import load_encoder
from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_reused
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.errors import ConfigError
from tasks.schema.manifest import ArtifactRef, artifact_id, canonical_json
from tasks.schema.tables import CAPTION_KINDS
from tasks.store.artifacts import artifacts, embeddings
from tasks.store.artifacts.cache import fetch_table
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store, open_store

RECIPE = 1
_COLUMNS = ("item_id", "title", "group_id", "captions", "image_sha256", "split")


@compute_task(name="measure", task_run_name="measure-{split}")
def measure(
    model: ArtifactRef, catalog: ArtifactRef, split: str, config: EvaluationConfig, refresh: bool = False
) -> ArtifactRef:
    """Text->image and image->text metrics of one model on one split, and those of every other query type."""
    store = open_store()
    parents = {"model": model, "catalog": catalog}
    parameters = {**config.model_dump(mode="json"), "split": split}
    ref = ArtifactRef(kind="evaluation", id=artifact_id("evaluation", parents, parameters, RECIPE))
    if not refresh and (stored := artifacts.find(store, ref)):
        show_reused(store, stored)
        return ref
    from tasks.retrieval.metrics import evaluate

    items = split_items(store, catalog, split)
    if len(items) < 2:
        raise ConfigError(
            f"Split {split!r} of catalogue {catalog.id} has {len(items)} items, 2 or more are needed to measure: "
            f"raise its share in the catalogue's settings or give a larger catalogue."
        )
    encoder = load_encoder(model)
    images = embeddings.load_vectors(store, model.id, [item["image_sha256"] for item in items])
    titles = [item["title"] for item in items]
    result = evaluate(encoder.encode_texts(titles), images, titles, [item["group_id"] for item in items], config)
    manifest = artifacts.load_manifest(store, model)
    metrics = {
        "model": model.id,
        "model_name": manifest.summary.get("name", model.id),
        "untrained": bool(manifest.summary.get("random_weights", False)),
        "split": split,
        "catalog": catalog.id,
        **result.metrics,
        "queries": _query_types(items, images, encoder, config),
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "metrics.json").write_text(canonical_json(metrics), encoding="utf-8")
        (folder / "per_query.parquet").write_bytes(table_bytes(pa.table(result.per_query)))
        (folder / "ranking.parquet").write_bytes(table_bytes(_ranking(result.top, result.first_rank)))
        strict = result.metrics["text_to_image"]["strict"]
        return artifacts.commit(
            store,
            "evaluation",
            ref.id,
            folder,
            recipe=RECIPE,
            parents=parents,
            parameters=parameters,
            summary={"split": split, "n": len(items), **{name: cell["value"] for name, cell in strict.items()}},
            rows={"per_query.parquet": len(items), "ranking.parquet": len(items)},
        ).ref


def _ranking(top: dict[str, np.ndarray], first_rank: dict[str, np.ndarray]) -> pa.Table:
    """Best candidate rows of each query (``text_to_image``, ...) and rank of its first answer (``.../rank``)."""
    columns = {direction: pa.array(list(rows), pa.list_(pa.int64())) for direction, rows in top.items()}
    return pa.table({**columns, **{f"{name}/rank": ranks for name, ranks in first_rank.items()}})


def split_items(store: Store, catalog: ArtifactRef, split: str) -> list[dict[str, Any]]:
    """Items of one split in the catalogue's order; row i of an evaluation of that split is item i."""
    rows = fetch_table(store, catalog, "items.parquet", columns=_COLUMNS).to_pylist()
    return [{**row, "captions": dict(row["captions"])} for row in rows if row["split"] == split]


def _query_types(
    items: Sequence[dict[str, Any]], images: np.ndarray, encoder: Any, config: EvaluationConfig
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
