import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tasks.classifier.head import Head, centred, encode_labels, softmax
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError

DIM, LABELS = 12, ("bag", "cup", "shoe", "青い 靴")
KINDS = ("cosine", "linear", "mlp")


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make(kind: str) -> Head:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {
        "cosine": {"mean": drawn(DIM) * 0.1, "weight": unit(drawn(4, DIM))},
        "linear": {"weight": drawn(4, DIM), "bias": drawn(4)},
        "mlp": {
            "mean": drawn(DIM) * 0.1,
            "hidden_weight": drawn(6, DIM),
            "hidden_bias": drawn(6),
            "weight": drawn(4, 6),
            "bias": drawn(4),
        },
    }[kind]
    counts = {"bag": 200, "cup": 30, "shoe": 4, "青い 靴": 5, "boat": 1}
    return Head(kind, LABELS, tensors, 25.0, 0.7, counts, {"head": kind})


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_head_answers_like_the_saved_one(kind: str, tmp_path) -> None:
    head, vectors = make(kind), unit(np.random.default_rng(1).normal(size=(9, DIM)))
    head.save(tmp_path)
    loaded = Head.load(tmp_path)
    np.testing.assert_array_equal(loaded.probabilities(vectors), head.probabilities(vectors))
    assert loaded.predict(vectors, 3) == head.predict(vectors, 3)
    assert (loaded.labels, loaded.temperature, loaded.train_counts) == (LABELS, 0.7, head.train_counts)
    assert (loaded.kind, loaded.scale, loaded.config, loaded.dim) == (kind, 25.0, {"head": kind}, DIM)
    before = [(tmp_path / name).read_bytes() for name in ("head.safetensors", "labels.json")]
    loaded.save(tmp_path)
    assert before == [(tmp_path / name).read_bytes() for name in ("head.safetensors", "labels.json")]


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_answers_what_the_training_code_computes(kind: str) -> None:
    import torch

    from tasks.classifier.config import ClassifierConfig
    from tasks.classifier.fitting import _logits

    head, vectors = make(kind), unit(np.random.default_rng(2).normal(size=(5, DIM)))
    parameters = {name: torch.from_numpy(t) for name, t in head.tensors.items() if name != "mean"}
    x = vectors if kind == "linear" else centred(vectors, head.tensors["mean"])
    x = torch.from_numpy(x) * (head.scale if kind == "mlp" else 1.0)
    want = _logits(x, parameters, ClassifierConfig(head=kind)).numpy()
    np.testing.assert_allclose(head.logits(vectors), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_probabilities_likeliest_first(kind: str) -> None:
    head, vectors = make(kind), unit(np.random.default_rng(3).normal(size=(7, DIM)))
    for answer, row in zip(head.predict(vectors, 10), head.logits(vectors), strict=True):
        assert len(answer) == 4
        assert {label for label, _ in answer} == set(LABELS)
        shares = [share for _, share in answer]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert answer[0][0] == LABELS[int(row.argmax())]
    assert head.predict(vectors[:0], 3) == []


def test_temperature_softens_without_reordering() -> None:
    head = make("linear")
    warm = replace(head, temperature=5.0)
    vectors = unit(np.random.default_rng(4).normal(size=(6, DIM)))
    assert [[label for label, _ in row] for row in head.predict(vectors, 4)] == [
        [label for label, _ in row] for row in warm.predict(vectors, 4)
    ]
    assert (warm.probabilities(vectors).max(axis=1) < head.probabilities(vectors).max(axis=1)).all()


def test_threads_share_one_head() -> None:
    head, vectors = make("mlp"), unit(np.random.default_rng(5).normal(size=(64, DIM)))
    alone = head.predict(vectors, 2)
    with ThreadPoolExecutor(8) as pool:
        assert all(answer == alone for answer in pool.map(lambda _: head.predict(vectors, 2), range(64)))


def test_embeddings_of_another_model_are_refused() -> None:
    head = make("cosine")
    with pytest.raises(ConfigError, match=r"shape \(2, 13\), expected \(n, 12\)"):
        head.predict(np.ones((2, 13), np.float32))
    with pytest.raises(ConfigError, match="NaN"):
        head.predict(np.full((2, DIM), np.nan, np.float32))
    with pytest.raises(ConfigError, match="top_k=0"):
        head.predict(np.ones((1, DIM), np.float32), 0)


def test_missing_and_damaged_files_are_told_apart(tmp_path) -> None:
    with pytest.raises(ArtifactMissing, match=r"lacks head\.safetensors, labels\.json"):
        Head.load(tmp_path)
    make("cosine").save(tmp_path)
    facts = json.loads((tmp_path / "labels.json").read_text())
    for damage in ({"labels": facts["labels"][:3]}, {"kind": "linear"}, {"kind": "tree"}, {"surprise": 1}):
        (tmp_path / "labels.json").write_text(json.dumps(facts | damage))
        with pytest.raises(ArtifactCorrupt):
            Head.load(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(facts))
    Head.load(tmp_path)
    weights = (tmp_path / "head.safetensors").read_bytes()
    (tmp_path / "head.safetensors").write_bytes(weights[:-9])
    with pytest.raises(ArtifactCorrupt):
        Head.load(tmp_path)


def test_softmax_survives_large_logits_and_labels_are_coded() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0.0]])
    np.testing.assert_array_equal(encode_labels(["cup", "boat", "bag"], LABELS), [1, -1, 0])
