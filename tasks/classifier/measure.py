"""Metrics of a head, by class and by class frequency: top-1 alone hides the long tail."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tasks.classifier.head import Head
from tasks.schema.errors import ConfigError

BUCKETS = ("head", "middle", "tail", "unseen")
_HEAD, _MIDDLE = 100, 20
_BINS = 15


@dataclass(frozen=True)
class HeadMetrics:
    """Metrics of one head on one set of items.

    metrics: JSON-able. per_class: one dict a class, most test items first. confusion: (c, c) int64 in the
    order of labels, row = truth. top_confusions: the most frequent wrong pairs.
    """

    metrics: dict[str, Any]
    per_class: list[dict[str, Any]]
    labels: list[str]
    confusion: np.ndarray
    top_confusions: list[dict[str, Any]]


def measure_head(head: Head, vectors: np.ndarray, labels: Sequence[str], worst: int = 20) -> HeadMetrics:
    """Measure ``head`` on ``vectors`` (n, d) with true ``labels``; rows with an empty label are left out.

    Classes unknown to the head are included: their items are wrong and their F1 is 0. macro_f1 averages the classes
    with test items (sklearn with explicit labels: classes that only occur in predictions are not averaged);
    macro_f1_seen leaves out those the head cannot predict. Raises ConfigError where no row has a label.
    """
    rows = np.array([i for i, label in enumerate(labels) if label], dtype=np.int64)
    if not len(rows):
        raise ConfigError(f"none of {len(labels)} test rows has a label: measure another label or split")
    truth = np.array([labels[i] for i in rows], dtype=object)
    shares = head.probabilities(np.asarray(vectors)[rows])
    order = np.argsort(-shares, axis=1, kind="stable")[:, :5]
    named = np.array(head.labels, dtype=object)
    hits = named[order] == truth[:, None]
    predicted = named[order[:, 0]]
    per_class = _per_class(truth, predicted, head)
    present = sorted(set(truth) | set(predicted))
    confusion = confusion_matrix(list(truth), list(predicted), labels=present)
    metrics = {
        "n": len(rows),
        "top1": float(hits[:, 0].mean()),
        "top3": float(hits[:, :3].any(axis=1).mean()),
        "top5": float(hits.any(axis=1).mean()),
        **_averages(per_class),
        **_confidence(shares.max(axis=1).astype(np.float64), hits[:, 0]),
        "buckets": _buckets(per_class),
    }
    return HeadMetrics(metrics, per_class, present, confusion, _top_confusions(truth, predicted, worst))


def bucket_of(label: str, head: Head) -> str:
    """The frequency bucket: head from 100 training items, middle from 20, else tail; unseen if unknown to the head."""
    count = head.train_counts.get(label, 0)
    if label not in head.labels:
        return "unseen"
    return "head" if count >= _HEAD else "middle" if count >= _MIDDLE else "tail"


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = _BINS) -> float:
    """Mean gap between confidence (n,) and accuracy over equal-width bins, weighted by items (Guo 2017)."""
    slot = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[slot == b].mean() - right[slot == b].mean()) * (slot == b).mean() for b in np.unique(slot)]
    return float(sum(gaps))


def _per_class(truth: np.ndarray, predicted: np.ndarray, head: Head) -> list[dict[str, Any]]:
    """One dict for each class with test items or known to the head; figures are None where it has no test items."""
    labels = sorted(set(truth) | set(head.labels))
    precision, recall, f1, support = precision_recall_fscore_support(
        list(truth), list(predicted), labels=labels, zero_division=0
    )
    table = [
        {
            "label": label,
            "n_train": head.train_counts.get(label, 0),
            "n_test": int(support[i]),
            "precision": float(precision[i]) if support[i] else None,
            "recall": float(recall[i]) if support[i] else None,
            "f1": float(f1[i]) if support[i] else None,
            "bucket": bucket_of(label, head),
        }
        for i, label in enumerate(labels)
    ]
    return sorted(table, key=lambda line: (-line["n_test"], line["label"]))


def _averages(per_class: list[dict[str, Any]]) -> dict[str, Any]:
    tested = [line for line in per_class if line["n_test"]]
    seen = [line for line in tested if line["bucket"] != "unseen"]
    return {
        "macro_f1": _mean(tested, "f1"),
        "macro_f1_seen": _mean(seen, "f1"),
        "balanced_accuracy": _mean(tested, "recall"),
        "classes": sum(line["bucket"] != "unseen" for line in per_class),
        "classes_averaged": len(tested),
        "classes_unseen": len(tested) - len(seen),
        "items_unseen": sum(line["n_test"] for line in tested if line["bucket"] == "unseen"),
    }


def _buckets(per_class: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    result = {}
    for name in BUCKETS:
        lines = [line for line in per_class if line["bucket"] == name and line["n_test"]]
        items = sum(line["n_test"] for line in lines)
        right = sum(line["n_test"] * line["recall"] for line in lines)
        result[name] = {
            "classes": len(lines),
            "n": items,
            "top1": right / items if items else None,
            "recall": _mean(lines, "recall"),
            "f1": _mean(lines, "f1"),
        }
    return result


def _mean(lines: list[dict[str, Any]], column: str) -> float | None:
    return float(np.mean([line[column] for line in lines])) if lines else None


def _confidence(confidence: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Calibration error, and the largest share of items, most confident first, of which 95 % are right."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(precision >= 0.95)
    coverage = (enough[-1] + 1) / len(right) if len(enough) else 0.0
    return {"ece": expected_calibration_error(confidence, right), "coverage_at_95_precision": float(coverage)}


def _top_confusions(truth: np.ndarray, predicted: np.ndarray, worst: int) -> list[dict[str, Any]]:
    totals = Counter(truth)
    pairs = Counter((t, p) for t, p in zip(truth, predicted, strict=True) if t != p)
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:worst]
    return [{"truth": t, "predicted": p, "n": n, "share_of_truth": n / totals[t]} for (t, p), n in ranked]
