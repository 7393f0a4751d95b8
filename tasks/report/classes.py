"""Figures of a classifier: confusions and F1 by class. All return SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from tasks.report.numbers import count
from tasks.report.style import BANDS, FAINT, INK, MUTED, RED, bars, canvas, empty, set_title, shorten, svg


def confusion_matrix(matrix: Any, labels: Sequence[str], *, top: int = 25) -> bytes:
    """Confusion matrix: rows are true classes, columns predicted ones, shaded by the share of the row.

    ``matrix``: (c, c) counts. Beyond ``top`` classes (by support) the rest is summed into "other".
    """
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.size == 0 or counts.sum() == 0:
        return empty("No prediction was made.")
    counts, names = _fold(counts, list(labels), top)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    side = 0.27 * len(names)
    with canvas(max(side + 2.6, 5.0), max(side + 2.2, 4.0)) as (figure, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        _write_cells(axes, shares)
        short = [shorten(name, 22) for name in names]
        axes.set_xticks(range(len(names)), short, rotation=90, fontsize=8)
        axes.set_yticks(
            range(len(names)), [f"{n}  {count(s)}" for n, s in zip(short, support[:, 0], strict=True)], fontsize=8
        )
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="minor", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true class and its number of products")
        set_title(figure, "Confusion · % of each true class")
        return svg(figure)


def _fold(counts: np.ndarray, labels: list[str], top: int) -> tuple[np.ndarray, list[str]]:
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    counts, labels = counts[np.ix_(order, order)], [labels[i] for i in order]
    if len(labels) <= top:
        return counts, labels
    fold = np.zeros((top + 1, len(labels)))
    fold[np.arange(top), np.arange(top)] = 1
    fold[top, top:] = 1
    return fold @ counts @ fold.T, [*labels[:top], f"other ({len(labels) - top})"]


def _write_cells(axes: Any, shares: np.ndarray) -> None:
    for row, column in zip(*np.nonzero(shares >= 0.05), strict=True):
        value = shares[row, column]
        color = "white" if value > 0.55 else INK
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=color)


def top_confusions(confusions: Sequence[Mapping[str, Any]], *, top: int = 15) -> bytes:
    """Bars of the most frequent mistakes. ``confusions``: ``{"truth", "predicted", "n", "share_of_truth"}``."""
    if not confusions:
        return empty("No class was mistaken for another.")
    rows = pd.DataFrame(confusions).nlargest(top, "n")
    pairs = zip(rows["truth"], rows["predicted"], strict=True)
    shares = zip(rows["n"], 100 * rows["share_of_truth"], strict=True)
    table = pd.DataFrame(
        {
            "label": [f"{shorten(truth, 22)} → {shorten(predicted, 22)}" for truth, predicted in pairs],
            "value": rows["n"],
            "color": RED,
            "text": [f"{count(n)}  ({share:.0f} % of its class)" for n, share in shares],
        }
    )
    return bars(table, "Most frequent mistakes · true → predicted", room=1.35)


def per_class_f1(table: Sequence[Mapping[str, Any]], *, top: int = 40) -> bytes:
    """F1 of each class, most test items first, coloured by the class's frequency in training.

    ``table``: ``{"label", "f1", "n_test", "bucket"}`` with bucket head, middle, tail or unseen.
    Lines without f1 are left out.
    """
    measured = pd.DataFrame(table, columns=["label", "f1", "n_test", "bucket"]).dropna(subset="f1")
    rows = measured.sort_values(["n_test", "label"], ascending=[False, True])[:top]
    if rows.empty:
        return empty("No class was measured.")
    places, colors = range(len(rows)), rows["bucket"].map(BANDS)
    with canvas(7.2, 1.2 + 0.24 * len(rows)) as (figure, axes):
        axes.hlines(places, 0, rows["f1"], color=colors, linewidth=2.2)
        axes.scatter(rows["f1"], places, s=36, color=colors)
        for place, f1 in enumerate(rows["f1"]):
            axes.text(f1 + 0.02, place, f"{f1:.2f}", va="center", fontsize=8.5, color=MUTED)
        named = zip(rows["label"], rows["n_test"], strict=True)
        axes.set_yticks(places, [f"{shorten(label, 26)}  {count(tested)}" for label, tested in named], fontsize=8.5)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.08)
        axes.set_xticks([0, 0.5, 1.0])
        axes.axvline(1.0, color=FAINT, linewidth=0.8)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        handles = [Patch(color=color, label=band) for band, color in BANDS.items() if band in set(rows["bucket"])]
        axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, handlelength=0.9)
        set_title(figure, f"F1 by class · mean {measured['f1'].mean():.2f}")
        return svg(figure)
