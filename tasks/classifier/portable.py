"""The category head as the original project's files: a linear layer on unit vectors, and F1 by class."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tasks.classifier.head import Head


def save_linear(head: Head, path: Path, extra: dict[str, Any]) -> bool:
    """Write ``{"head_state": {"fc.weight", "fc.bias"}, "labels", "extra"}``, which holds tensors and plain values only.

    Returns False, and writes nothing, for a head that no linear layer equals.
    """
    layer = linear_layer(head)
    if layer is None:
        return False
    state = {f"fc.{name}": torch.from_numpy(tensor) for name, tensor in zip(("weight", "bias"), layer, strict=True)}
    torch.save({"head_state": state, "labels": list(head.labels), "extra": extra}, path)
    return True


def linear_layer(head: Head) -> tuple[np.ndarray, np.ndarray] | None:
    """Weight (classes, d) and bias (classes,) float32 of the layer that ranks the classes as ``head``; None for mlp.

    Softmax of its outputs gives the head's probabilities. A cosine head divides by the length of vector minus mean,
    which changes no ranking: here by its root mean square over the training items, sqrt(1 - |mean|^2), so that the
    probabilities are near the head's.
    """
    if head.kind == "mlp":
        return None
    weight = head.tensors["weight"] / np.float32(head.temperature)
    if head.kind == "linear":
        return weight, head.tensors["bias"] / np.float32(head.temperature)
    mean = head.tensors["mean"]
    weight = weight * np.float32(head.scale / np.sqrt(max(1 - float(mean @ mean), 1e-6)))
    return weight, -(weight @ mean)


def write_per_class(source: Path, target: Path) -> None:
    """F1 by class with the original's columns first, worst first; a class without test items has zeros, as there."""
    table = pd.read_csv(source, keep_default_na=False, na_values={name: [""] for name in ("precision", "recall", "f1")})
    table = table.rename(columns={"n_test": "support"}).fillna({"precision": 0.0, "recall": 0.0, "f1": 0.0})
    columns = ["label", "support", "precision", "recall", "f1"]
    rest = [name for name in table.columns if name not in columns]
    table[columns + rest].sort_values(["f1", "label"]).to_csv(target, index=False)
