"""Train a category head over frozen image embeddings. Takes seconds on a CPU.

The default recipe suits a long tail: centred unit features, a cosine head of scale 25 initialised with text embeddings
of the class names, and logit adjustment whose strength is chosen on val (as in LIFT, ICML 2024).
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import f1_score

from tasks.classifier.classes import faults, learnable, train_counts
from tasks.classifier.config import ClassifierConfig
from tasks.classifier.fitting import Fitted, fit
from tasks.classifier.head import Head, centred, encode_labels, unit_rows
from tasks.schema.errors import ConfigError
from tasks.schema.progress import Progress, silent

_TAUS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MIN_IMAGES = 5  # from so many on, a class starts between its text and its images


@dataclass(frozen=True)
class TrainedHead:
    """A head and its training log, JSON-able: losses, taus tried, classes left out, val figures, seconds."""

    head: Head
    log: dict[str, Any]


@dataclass(frozen=True)
class _Rows:
    classes: tuple[str, ...]
    counts: dict[str, int]
    left_out: dict[str, int]
    train: np.ndarray
    train_targets: np.ndarray
    val: np.ndarray
    val_targets: np.ndarray
    val_unknown: int


def train_head(
    vectors: np.ndarray,
    labels: Sequence[str],
    split: Sequence[str],
    text_prototypes: Mapping[str, np.ndarray] | None,
    config: ClassifierConfig,
    progress: Progress = silent,
) -> TrainedHead:
    """Learn to tell ``labels`` from ``vectors`` on the rows of split "train", choosing tau and temperature on "val".

    vectors: (n, d) float32, L2-normalised. labels, split: n strings; rows with an empty label, and rows of other
    splits, are ignored. text_prototypes: label -> (d,) text embedding, for any of the labels, or None.
    Raises ConfigError where fewer than two classes have enough items, or no val row is of a known class.
    """
    started = time.perf_counter()
    rows = _choose_rows(np.asarray(vectors, np.float32), labels, split, config)
    prototypes = dict(text_prototypes or {}) if config.text_init and config.head == "cosine" else {}
    start = _starting_weights(rows, prototypes, config)
    taus = _TAUS if config.tau == "auto" else (float(config.tau),)
    taus = taus if config.loss == "logit_adjusted" else (0.0,)
    fits: list[Fitted] = []
    for step, tau in enumerate(taus):
        fits.append(fit(rows.train, rows.train_targets, len(rows.classes), start, tau, config))
        progress((step + 1) / len(taus), f"trained with tau {tau:g}, last loss {fits[-1].losses[-1]:.3f}")
    heads = [_as_head(fitted, rows, config) for fitted in fits]
    tried = [{"tau": tau} | _val_figures(head, rows) for tau, head in zip(taus, heads, strict=True)]
    chosen = choose_tau(tried, config.max_top1_drop)
    head = _with_temperature(heads[chosen], rows)
    log = {
        "tau": taus[chosen] if config.loss == "logit_adjusted" else None,
        "tried": tried,
        "val": tried[chosen],
        "losses": fits[chosen].losses,
        "temperature": head.temperature,
        **_counts(rows, prototypes),
        "seconds": round(time.perf_counter() - started, 2),
    }
    return TrainedHead(head, log)


def _counts(rows: _Rows, prototypes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {
        "classes": len(rows.classes),
        "left_out": rows.left_out,
        "text_started": sum(label in prototypes for label in rows.classes),
        "n_train": len(rows.train),
        "n_val": len(rows.val),
        "n_val_unknown": rows.val_unknown,
    }


def choose_tau(tried: Sequence[Mapping[str, float]], max_top1_drop: float) -> int:
    """Position of the best macro-F1 among those whose top-1 is within ``max_top1_drop`` of the best top-1."""
    best = max(entry["top1"] for entry in tried)
    fit_for_use = [i for i, entry in enumerate(tried) if entry["top1"] >= best - max_top1_drop - 1e-12]
    return max(fit_for_use, key=lambda i: (tried[i]["macro_f1"], tried[i]["top1"], -i))


def _choose_rows(vectors: np.ndarray, labels: Sequence[str], split: Sequence[str], config: ClassifierConfig) -> _Rows:
    if vectors.ndim != 2 or not len(vectors) == len(labels) == len(split):
        raise ConfigError(
            f"found vectors {vectors.shape}, {len(labels)} labels, {len(split)} splits: expected n of each"
        )
    if not np.isfinite(vectors).all():
        raise ConfigError("found NaN or infinite numbers in the vectors: embed them again")
    part = np.asarray(split)
    named = np.array([bool(label) for label in labels], dtype=bool)
    found = Counter((where, label or "") for label, where in zip(labels, split, strict=True))
    classes, counts = learnable(found, config), train_counts(found)
    if why := faults(found, config):
        raise ConfigError("the classifier cannot be trained: " + "; ".join(why))
    targets = encode_labels(labels, classes)
    train, val = (part == "train") & (targets >= 0), (part == "val") & (targets >= 0)
    return _Rows(
        classes=classes,
        counts=counts,
        left_out={label: count for label, count in counts.items() if label not in set(classes)},
        train=vectors[train],
        train_targets=targets[train],
        val=vectors[val],
        val_targets=targets[val],
        val_unknown=int(((part == "val") & named & (targets < 0)).sum()),
    )


def _starting_weights(rows: _Rows, prototypes: Mapping[str, np.ndarray], config: ClassifierConfig) -> np.ndarray | None:
    """Initial unit rows (classes, d) of a cosine head; None for random ones.

    Text embeddings are centred by their own mean, since texts and images form two cones. A class starts from its name,
    with enough images from the middle between name and images, without a name from its images.
    """
    if config.head != "cosine" or not config.text_init:
        return None
    features = centred(rows.train, rows.train.mean(axis=0))
    images = np.zeros((len(rows.classes), features.shape[1]), np.float32)
    np.add.at(images, rows.train_targets, features)
    images = unit_rows(images)
    known = [i for i, label in enumerate(rows.classes) if label in prototypes]
    if len(known) < 2:  # centred by its own mean, a single text is 0
        return images
    texts = np.stack([np.asarray(prototypes[rows.classes[i]], np.float32) for i in known])
    if texts.shape[1] != images.shape[1] or not np.isfinite(texts).all():
        raise ConfigError(f"text prototypes: found {texts.shape}, expected finite (classes, {images.shape[1]})")
    texts = centred(texts, texts.mean(axis=0))
    start = images.copy()
    for i, text in zip(known, texts, strict=True):
        start[i] = text + images[i] if rows.counts[rows.classes[i]] >= _MIN_IMAGES else text
    return unit_rows(start)


def _as_head(fitted: Fitted, rows: _Rows, config: ClassifierConfig) -> Head:
    return Head(
        kind=config.head,
        labels=rows.classes,
        tensors=fitted.tensors,
        scale=config.scale,
        temperature=1.0,
        train_counts=rows.counts,
        config=config.model_dump(mode="json"),
    )


def _val_figures(head: Head, rows: _Rows) -> dict[str, float]:
    predicted = head.logits(rows.val).argmax(axis=1)
    supported = np.unique(rows.val_targets)
    macro = f1_score(rows.val_targets, predicted, labels=supported, average="macro", zero_division=0)
    return {"top1": float((predicted == rows.val_targets).mean()), "macro_f1": float(macro)}


def _with_temperature(head: Head, rows: _Rows) -> Head:
    """The head with the temperature that maximises the likelihood of val's labels (Guo 2017).

    One pseudo-item is spread over all labels (as in Platt 1999); otherwise a val without errors would give 0.
    """
    logits = head.logits(rows.val).astype(np.float64)
    doubt = 1 / (len(logits) + 1)
    wanted = np.full(logits.shape, doubt / logits.shape[1])
    wanted[np.arange(len(logits)), rows.val_targets] += 1 - doubt

    def surprise(log_temperature: float) -> float:
        return float(-(wanted * log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    found = minimize_scalar(surprise, bounds=(np.log(0.01), np.log(20.0)), method="bounded")
    return replace(head, temperature=round(float(np.exp(found.x)), 6))
