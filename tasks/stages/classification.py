"""The category head over stored image embeddings, and its report class by class."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.classifier.config import ClassifierConfig
from tasks.schema.manifest import ArtifactRef, Manifest, canonical_json
from tasks.schema.progress import Progress
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.building import Build
from tasks.store.artifacts.cache import fetch_table

RECIPE = 1
#: Prompts whose mean text vector starts a class's weights (section 3.1 of the CLIP paper).
PROMPTS = ("{}", "a photo of {}", "a product photo of {}", "{} on a white background", "{}, for sale")


@dataclass(frozen=True)
class TrainedClassifier:
    """A stored head, one row of figures a class, and its figures as SVG by name."""

    manifest: Manifest
    per_class: list[dict[str, Any]]
    figures: dict[str, bytes]


def train_classifier(
    build: Build, model: ArtifactRef, catalog: ArtifactRef, config: ClassifierConfig, progress: Progress
) -> TrainedClassifier:
    """Learn ``category_l1`` from the train split, choose on val, measure on test, and store the head."""
    import pandas as pd

    from tasks.classifier.measure import measure_head
    from tasks.classifier.train import train_head

    items = fetch_table(build.store, catalog, "items.parquet", columns=["image_sha256", "category_l1", "split"])
    vectors = embeddings.load_vectors(build.store, model.id, items["image_sha256"].to_pylist())
    labels, split = items["category_l1"].to_pylist(), items["split"].to_pylist()
    trained = train_head(vectors, labels, split, _prototypes(model, labels), config, progress=progress)
    rows = [row for row, name in enumerate(split) if name == "test"]
    measured = measure_head(trained.head, vectors[rows], [labels[row] for row in rows])
    trained.head.save(build.folder)
    (build.folder / "metrics.json").write_text(canonical_json(measured.metrics))
    pd.DataFrame(measured.per_class).to_csv(build.folder / "per_class_f1.csv", index=False)
    figures = _figures(measured)
    (build.folder / "figures").mkdir()
    for name, svg in figures.items():
        (build.folder / "figures" / f"{name}.svg").write_bytes(svg)
    summary = {name: value for name, value in measured.metrics.items() if not isinstance(value, (dict, list))}
    manifest = build.commit(summary, rows={"per_class_f1.csv": len(measured.per_class)})
    return TrainedClassifier(manifest, measured.per_class, figures)


def _prototypes(model: ArtifactRef, labels: list[str]) -> dict[str, np.ndarray]:
    """Class -> mean unit vector of its prompts."""
    classes = sorted(set(labels))
    texts = [prompt.format(label.replace("_", " ").lower()) for label in classes for prompt in PROMPTS]
    vectors = load_encoder(model).encode_texts(texts).reshape(len(classes), len(PROMPTS), -1).mean(axis=1)
    return dict(zip(classes, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))


def _figures(measured: Any) -> dict[str, bytes]:
    from tasks.report.classes import confusion_matrix, per_class_f1, top_confusions

    return {
        "confusion-matrix": confusion_matrix(measured.confusion, measured.labels),
        "top-confusions": top_confusions(measured.top_confusions),
        "per-class-f1": per_class_f1(measured.per_class),
    }
