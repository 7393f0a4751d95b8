"""Task: train the category head over stored image embeddings, and report it class by class."""

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tasks.classifier.config import ClassifierConfig
from tasks.embed import load_encoder
from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_figure, show_markdown, show_reused, show_table, track
from tasks.schema.manifest import ArtifactRef, artifact_id, canonical_json
from tasks.store.artifacts import artifacts, embeddings
from tasks.store.artifacts.cache import fetch_table
from tasks.store.objects.store import open_store

RECIPE = 1
#: Prompts whose mean text vector starts a class's weights (section 3.1 of the CLIP paper).
PROMPTS = ("{}", "a photo of {}", "a product photo of {}", "{} on a white background", "{}, for sale")


@compute_task(name="train-classifier")
def train_classifier_head(
    model: ArtifactRef, catalog: ArtifactRef, config: ClassifierConfig, refresh: bool = False
) -> ArtifactRef:
    """Learn ``category_l1`` from the train split, choose on val, report on test."""
    store = open_store()
    parents = {"model": model, "catalog": catalog}
    parameters = config.model_dump(mode="json")
    ref = ArtifactRef(kind="classifier", id=artifact_id("classifier", parents, parameters, RECIPE))
    if not refresh and (stored := artifacts.find(store, ref)):
        show_reused(store, stored)
        return ref
    from tasks.classifier.measure import measure_head
    from tasks.classifier.train import train_head

    items = fetch_table(store, catalog, "items.parquet", columns=["image_sha256", "category_l1", "split"])
    vectors = embeddings.load_vectors(store, model.id, items["image_sha256"].to_pylist())
    labels, split = items["category_l1"].to_pylist(), items["split"].to_pylist()
    with track("train-classifier", "training the category head") as progress:
        trained = train_head(vectors, labels, split, _prototypes(model, labels), config, progress=progress)
    rows = [row for row, name in enumerate(split) if name == "test"]
    measured = measure_head(trained.head, vectors[rows], [labels[row] for row in rows])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        trained.head.save(folder)
        (folder / "metrics.json").write_text(canonical_json(measured.metrics))
        _write_csv(folder / "per_class_f1.csv", measured.per_class)
        figures = _figures(measured)
        (folder / "figures").mkdir()
        for name, svg in figures.items():
            (folder / "figures" / f"{name}.svg").write_bytes(svg)
        summary = {name: value for name, value in measured.metrics.items() if not isinstance(value, (dict, list))}
        manifest = artifacts.commit(
            store,
            "classifier",
            ref.id,
            folder,
            recipe=RECIPE,
            parents=parents,
            parameters=parameters,
            summary=summary,
            rows={"per_class_f1.csv": len(measured.per_class)},
        )
    _show(manifest.ref, summary, measured.per_class, figures)
    return manifest.ref


def _prototypes(model: ArtifactRef, labels: list[str]) -> dict[str, np.ndarray]:
    encoder = load_encoder(model)
    classes = sorted(set(labels))
    texts = [prompt.format(label.replace("_", " ").lower()) for label in classes for prompt in PROMPTS]
    vectors = encoder.encode_texts(texts).reshape(len(classes), len(PROMPTS), -1).mean(axis=1)
    return dict(zip(classes, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _figures(measured: Any) -> dict[str, bytes]:
    from tasks.report.classes import confusion_matrix, per_class_f1, top_confusions

    return {
        "confusion-matrix": confusion_matrix(measured.confusion, measured.labels),
        "top-confusions": top_confusions(measured.top_confusions),
        "per-class-f1": per_class_f1(measured.per_class),
    }


def _show(
    ref: ArtifactRef, summary: dict[str, Any], per_class: list[dict[str, Any]], figures: dict[str, bytes]
) -> None:
    from tasks.report.style import data_uri

    rows = "\n".join(f"| {name} | {value} |" for name, value in summary.items())
    show_markdown("classifier", f"# Classifier `{ref.id}`\n\n| what | value |\n|---|---|\n{rows}", "How good it is")
    show_table("per-class-f1", per_class, "Precision, recall and F1 of each class")
    for name, svg in figures.items():
        show_figure(name, data_uri(svg, "image/svg+xml"), name.replace("-", " "))
