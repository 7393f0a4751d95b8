"""Figures of a classifier: confusions and F1 by class. All return SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Patch

from tasks.report.numbers import count
from tasks.report.style import BANDS, BLUE, FAINT, INK, MUTED, RED, canvas, empty, set_title, shorten, svg


def confusion_matrix(matrix: Any, labels: Sequence[str], *, top: int = 25, title: str = "Confusion") -> bytes:
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
        set_title(figure, f"{title} · % of each true class")
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
    """Bars of the most frequent mistakes. ``confusions``: ``{"truth", "predicted", "n", "share_of_truth"?}``."""
    rows = sorted(confusions, key=lambda row: -row["n"])[:top]
    if not rows:
        return empty("No class was mistaken for another.")
    with canvas(7.6, 0.9 + 0.3 * len(rows)) as (figure, axes):
        places = range(len(rows))
        axes.barh(places, [row["n"] for row in rows], color=RED, height=0.66)
        axes.set_yticks(places, [f"{shorten(row['truth'], 22)} → {shorten(row['predicted'], 22)}" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        longest = max(row["n"] for row in rows)
        for place, row in enumerate(rows):
            part = (
                f"  ({100 * row['share_of_truth']:.0f} % of its class)" if row.get("share_of_truth") is not None else ""
            )
            axes.text(
                row["n"] + longest * 0.012,
                place,
                f"{count(row['n'])}{part}",
                va="center",
                fontsize=9,
                color=MUTED,
            )
        axes.set_xlim(0, longest * 1.35)
        set_title(figure, "Most frequent mistakes · true → predicted")
        return svg(figure)


def per_class_f1(table: Sequence[Mapping[str, Any]], *, top: int = 40) -> bytes:
    """F1 of each class, most test items first, coloured by the class's frequency in training.

    ``table``: ``{"label", "f1", "n_test", "bucket"}`` with bucket head, middle, tail or unseen.
    Lines without f1 are left out.
    """
    measured = [row for row in table if row["f1"] is not None]
    rows = sorted(measured, key=lambda row: (-row.get("n_test", 0), str(row["label"])))[:top]
    if not rows:
        return empty("No class was measured.")
    with canvas(7.2, 1.2 + 0.24 * len(rows)) as (figure, axes):
        colors = [BANDS.get(str(row.get("bucket")), BLUE) for row in rows]
        for place, (row, color) in enumerate(zip(rows, colors, strict=True)):
            axes.hlines(place, 0, row["f1"], color=color, linewidth=2.2)
            axes.plot(row["f1"], place, "o", color=color, markersize=6)
            axes.text(row["f1"] + 0.02, place, f"{row['f1']:.2f}", va="center", fontsize=8.5, color=MUTED)
        names = [f"{shorten(row['label'], 26)}  {count(row.get('n_test', 0))}" for row in rows]
        axes.set_yticks(range(len(rows)), names, fontsize=8.5)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.08)
        axes.set_xticks([0, 0.5, 1.0])
        axes.axvline(1.0, color=FAINT, linewidth=0.8)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        used = [band for band in BANDS if any(row.get("bucket") == band for row in rows)]
        if used:
            handles = [Patch(color=BANDS[band], label=band) for band in used]
            axes.legend(
                handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, handlelength=0.9
            )
        mean = sum(row["f1"] for row in measured) / len(measured)
        set_title(figure, f"F1 by class · mean {mean:.2f}")
        return svg(figure)
