"""The category head for programs that know a linear layer."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.classifier.head import Head, softmax
from tasks.classifier.portable import linear_layer, save_linear, write_per_class

DIM, LABELS = 12, ("bag", "cup", "nan", "青い 靴")


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors() -> np.ndarray:
    """Unit vectors with a large common part, as image embeddings have."""
    rng = np.random.default_rng(1)
    return unit(rng.normal(size=DIM) + 0.5 * rng.normal(size=(400, DIM)))


def cosine(vectors: np.ndarray) -> Head:
    weight = unit(np.random.default_rng(2).normal(size=(4, DIM)))
    return Head("cosine", LABELS, {"mean": vectors.mean(axis=0), "weight": weight}, 25.0, 0.7, {}, {})


def test_a_linear_head_gives_the_same_probabilities(vectors: np.ndarray, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tensors = {"weight": rng.normal(size=(4, DIM)).astype(np.float32), "bias": rng.normal(size=4).astype(np.float32)}
    head = Head("linear", LABELS, tensors, 25.0, 0.7, {}, {})
    assert save_linear(head, tmp_path / "head.pt", {"metrics": {"top1": 0.5}})
    stored = torch.load(tmp_path / "head.pt", weights_only=True)
    assert stored["labels"] == list(LABELS) and stored["extra"] == {"metrics": {"top1": 0.5}}
    layer = torch.nn.Linear(DIM, 4)
    layer.load_state_dict({name.removeprefix("fc."): tensor for name, tensor in stored["head_state"].items()})
    shares = torch.softmax(layer(torch.from_numpy(vectors)), dim=1).detach().numpy()
    np.testing.assert_allclose(shares, head.probabilities(vectors), atol=1e-5)


def test_a_cosine_head_ranks_the_classes_alike_with_probabilities_near_its_own(vectors: np.ndarray) -> None:
    head = cosine(vectors)
    layer = linear_layer(head)
    assert layer is not None
    scores = vectors @ layer[0].T + layer[1]
    np.testing.assert_array_equal(np.argsort(-scores, axis=1), np.argsort(-head.logits(vectors), axis=1))
    assert np.abs(softmax(scores) - head.probabilities(vectors)).mean() < 0.05


def test_a_head_of_two_layers_is_not_written(vectors: np.ndarray, tmp_path: Path) -> None:
    head = Head("mlp", LABELS, {"hidden_weight": vectors[:6]}, 25.0, 0.7, {}, {})
    assert not save_linear(head, tmp_path / "head.pt", {}) and not (tmp_path / "head.pt").exists()


def test_classes_are_listed_worst_first_with_zeros_for_what_was_not_tested(tmp_path: Path) -> None:
    lines = [
        {"label": "cup", "n_train": 9, "n_test": 3, "precision": 1.0, "recall": 0.5, "f1": 0.67, "bucket": "tail"},
        {"label": "nan", "n_train": 9, "n_test": 0, "precision": None, "recall": None, "f1": None, "bucket": "tail"},
    ]
    pd.DataFrame(lines).to_csv(tmp_path / "stored.csv", index=False)
    write_per_class(tmp_path / "stored.csv", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(found.columns[:5]) == ["label", "support", "precision", "recall", "f1"]
    assert found["label"].tolist() == ["nan", "cup"] and found["support"].tolist() == [0, 3]
    assert found["f1"][0] == 0.0 and math.isclose(found["f1"][1], 0.67)
