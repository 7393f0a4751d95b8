import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

from tasks.classifier.head import Head
from tasks.classifier.measure import bucket_of, expected_calibration_error, measure_head
from tasks.schema.errors import ConfigError

LABELS = tuple(f"c{k}" for k in range(8))
COUNTS = {"c0": 150, "c1": 100, "c2": 99, "c3": 20, "c4": 19, "c5": 4, "c6": 3, "c7": 3, "rare": 2}


def identity_head() -> Head:
    """Reads the scores it is to give straight from the "embedding": predictions can be written down."""
    tensors = {"weight": np.eye(8, dtype=np.float32), "bias": np.zeros(8, np.float32)}
    return Head("linear", LABELS, tensors, 1.0, 1.0, COUNTS, {})


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, list[str], list[str]]:
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 3, 4, 5], size=500, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    vectors = (np.eye(8)[truth] * 1.5 + rng.normal(size=(500, 8))).astype(np.float32)
    labels = [f"c{k}" for k in truth]
    labels[::50] = ["rare"] * 5 + ["never seen"] * 5
    return vectors, labels, [LABELS[k] for k in vectors.argmax(axis=1)]


def test_macro_f1_is_sklearns_over_the_classes_with_test_items(sample) -> None:
    vectors, labels, predicted = sample
    metrics = measure_head(identity_head(), vectors, labels).metrics
    present = sorted(set(labels))
    want = f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    assert metrics["macro_f1"] == pytest.approx(want)
    seen = [label for label in present if label in LABELS]
    assert metrics["macro_f1_seen"] == pytest.approx(
        f1_score(labels, predicted, labels=seen, average="macro", zero_division=0)
    )
    assert set(predicted) - set(present)  # classes met only in predictions: sklearn's default would average them
    assert metrics["macro_f1"] != pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert (metrics["classes"], metrics["classes_averaged"], metrics["classes_unseen"]) == (8, 8, 2)
    assert metrics["items_unseen"] == 10
    assert metrics["n"] == 500


def test_top_k_counts_unseen_items_as_wrong(sample) -> None:
    vectors, labels, _ = sample
    metrics = measure_head(identity_head(), vectors, labels).metrics
    known = [i for i, label in enumerate(labels) if label in LABELS]
    shares = identity_head().probabilities(vectors[known])
    truth = [LABELS.index(labels[i]) for i in known]
    for k in (1, 3, 5):
        want = top_k_accuracy_score(truth, shares, k=k, labels=range(8)) * len(known) / 500
        assert metrics[f"top{k}"] == pytest.approx(want)
    assert metrics["top1"] < metrics["top3"] < metrics["top5"] <= 0.98


def test_buckets_follow_the_training_counts(sample) -> None:
    vectors, labels, predicted = sample
    head = identity_head()
    assert [bucket_of(label, head) for label in ("c0", "c1", "c2", "c3", "c4", "c5", "rare", "never seen")] == [
        *["head"] * 2,
        *["middle"] * 2,
        *["tail"] * 2,
        *["unseen"] * 2,
    ]
    buckets = measure_head(head, vectors, labels).metrics["buckets"]
    rows = [i for i, label in enumerate(labels) if label in ("c4", "c5")]
    assert buckets["tail"]["n"] == len(rows)
    assert buckets["tail"]["classes"] == 2
    assert buckets["tail"]["top1"] == pytest.approx(np.mean([labels[i] == predicted[i] for i in rows]))
    assert buckets["unseen"] == {"classes": 2, "n": 10, "top1": 0.0, "recall": 0.0, "f1": 0.0}
    assert sum(bucket["n"] for bucket in buckets.values()) == 500


def test_tables_agree_with_each_other(sample) -> None:
    vectors, labels, predicted = sample
    measured = measure_head(identity_head(), vectors, labels)
    lines = {line["label"]: line for line in measured.per_class}
    assert set(lines) == set(LABELS) | {"rare", "never seen"}
    assert lines["c7"]["f1"] is None
    assert lines["c7"]["n_test"] == 0
    assert lines["rare"]["n_train"] == 2
    assert [line["n_test"] for line in measured.per_class] == sorted(
        (ln["n_test"] for ln in lines.values()), reverse=True
    )
    assert measured.confusion.sum() == 500
    assert measured.labels == sorted(set(labels) | set(predicted))
    place = measured.labels.index("c0")
    assert measured.confusion[place].sum() == lines["c0"]["n_test"]
    assert measured.confusion[place, place] / lines["c0"]["n_test"] == pytest.approx(lines["c0"]["recall"])
    worst = measured.top_confusions[0]
    truth, said = measured.labels.index(worst["truth"]), measured.labels.index(worst["predicted"])
    off_diagonal = measured.confusion - np.diag(np.diag(measured.confusion))
    assert off_diagonal[truth, said] == off_diagonal.max() == worst["n"]
    assert json.loads(json.dumps(measured.metrics)) == measured.metrics
    assert json.loads(json.dumps([measured.per_class, measured.top_confusions]))


def test_calibration_error_by_hand() -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True])
    assert expected_calibration_error(confidence, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert expected_calibration_error(np.ones(5), np.ones(5, bool)) == 0


def test_unlabelled_rows_are_not_measured(sample) -> None:
    vectors, labels, _ = sample
    with_blanks = measure_head(identity_head(), np.concatenate([vectors, vectors[:7]]), labels + [""] * 7)
    assert with_blanks.metrics == measure_head(identity_head(), vectors, labels).metrics
    with pytest.raises(ConfigError, match="none of 2 test rows has a label"):
        measure_head(identity_head(), vectors[:2], ["", ""])


def test_a_perfect_head_scores_one_everywhere() -> None:
    truth = np.arange(8).repeat(3)
    metrics = measure_head(identity_head(), 50 * np.eye(8, dtype=np.float32)[truth], [f"c{k}" for k in truth]).metrics
    for name in ("top1", "macro_f1", "macro_f1_seen", "balanced_accuracy", "coverage_at_95_precision"):
        assert metrics[name] == 1.0
    assert metrics["ece"] == pytest.approx(0, abs=1e-6)
    assert metrics["buckets"]["unseen"]["recall"] is None
