"""Figures of a run: catalogue, recall and training. All return SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from tasks.report.numbers import Estimate, count, estimate, metric_label, metric_names, share
from tasks.report.style import (
    BASELINE,
    BLUE,
    FINETUNED,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    bars,
    canvas,
    empty,
    set_title,
    shorten,
    svg,
)
from tasks.schema.evaluation import SINGLE_POSITIVE


def label_distribution(counts: Mapping[str, int], *, top: int = 30) -> bytes:
    """Bars of the number of products by label, largest first; labels beyond ``top`` share one bar."""
    if not counts:
        return empty("No categories in this catalogue.")
    ranked = pd.Series(counts).sort_index().sort_values(ascending=False, kind="stable")
    rows = [(shorten(label) or "(none)", number, BLUE) for label, number in ranked[:top].items()]
    if len(rest := ranked[top:]):
        rows.append((f"{len(rest)} more", rest.sum(), BASELINE))
    table = pd.DataFrame(rows, columns=["label", "value", "color"])
    table["text"] = table["value"].map(count)
    return bars(table, f"Products per category · {count(ranked.sum())} in {count(len(ranked))}")


def recall_comparison(
    baseline: Mapping[str, Any],
    finetuned: Mapping[str, Any] | None = None,
    *,
    title: str = "Recall",
    names: tuple[str, str] = ("baseline", "fine-tuned"),
) -> bytes:
    """Recall@k of one or two models in both directions, with 95 % error bars.

    ``baseline`` and ``finetuned``: direction -> setting -> metric -> number or ``{"value", "low", "high"}``.
    """
    groups = [
        (direction, metric)
        for direction in ("text_to_image", "image_to_text")
        for metric in metric_names(baseline.get(direction, {}).get(SINGLE_POSITIVE, {}))
        if metric.startswith("recall@")
    ]
    if not groups:
        return empty("No recall was measured.")
    models = [(names[0], baseline, BASELINE)] + ([(names[1], finetuned, FINETUNED)] if finetuned else [])
    with canvas(9.4, 3.6) as (figure, axes):
        places = _group_places(groups)
        for number, (name, metrics, color) in enumerate(models):
            offset = 0.0 if len(models) == 1 else (number - 0.5) * 0.4
            cells = [estimate(metrics.get(d, {}).get(SINGLE_POSITIVE, {}).get(m)) for d, m in groups]
            _recall_bars(axes, [place + offset for place in places], cells, color, name)
        axes.set_xticks(places, [metric_label(metric) for _, metric in groups])
        _name_directions(axes, groups, places)
        axes.set_ylim(0, 1.08)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y")
        axes.spines["left"].set_visible(False)
        set_title(figure, title)
        if len(models) > 1:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, handlelength=1, fontsize=9)
        return svg(figure)


def _group_places(groups: Sequence[tuple[str, str]]) -> list[float]:
    gap = {direction: 0.6 * number for number, direction in enumerate(dict.fromkeys(d for d, _ in groups))}
    return [number + gap[direction] for number, (direction, _) in enumerate(groups)]


def _recall_bars(axes: Axes, places: Sequence[float], cells: Sequence[Estimate], color: str, name: str) -> None:
    axes.bar(places, [cell.value for cell in cells], width=0.38, color=color, label=name)
    for place, cell in zip(places, cells, strict=True):
        if cell.has_interval:
            axes.vlines(place, cell.low, cell.high, color=INK, linewidth=1.1)
        top = cell.high if cell.has_interval else cell.value
        axes.text(place, top + 0.015, share(cell.value, 2).removeprefix("0"), ha="center", fontsize=8.5, color=INK)


def _name_directions(axes: Axes, groups: Sequence[tuple[str, str]], places: Sequence[float]) -> None:
    words = {"text_to_image": "words → image", "image_to_text": "image → words"}
    for direction in dict.fromkeys(d for d, _ in groups):
        own = [place for place, (d, _) in zip(places, groups, strict=True) if d == direction]
        middle = sum(own) / len(own)
        axes.annotate(
            words[direction], (middle, 0), xycoords=("data", "axes fraction"), xytext=(0, -30),
            textcoords="offset points", ha="center", color=MUTED,
        )  # fmt: skip


def training_curves(log: Mapping[str, Any]) -> bytes:
    """Loss by step and validation recall by evaluation, with the chosen step marked.

    ``log``: a training log as JSON: ``points`` (``{"step", "loss"}``), ``evaluations`` (``{"step", "..._recall@k"}``),
    ``best_step``; further keys are ignored.
    """
    points = pd.DataFrame(log.get("points", []), columns=["step", "loss"]).dropna()
    evaluations = [row for row in log.get("evaluations", []) if "step" in row]
    if points.empty and not evaluations:
        return empty("No training step was logged.")
    with canvas(9.4, 3.6) as (figure, left):
        if len(points):
            _loss_line(left, points)
        left.set_xlabel("step")
        left.spines["left"].set_visible(False)
        left.grid(axis="y")
        left.margins(x=0.04)
        set_title(figure, "Training: loss, and recall on the validation split")
        if evaluations:
            _recall_lines(left, evaluations)
        if log.get("best_step"):
            left.axvline(log["best_step"], color=ORANGE, linewidth=1.2, linestyle=(0, (3, 2)))
            left.annotate(
                "kept", (log["best_step"], 0), xycoords=("data", "axes fraction"), xytext=(-4, 4),
                textcoords="offset points", ha="right", color=ORANGE, fontsize=9,
            )  # fmt: skip
        return svg(figure)


def _loss_line(axes: Axes, points: pd.DataFrame) -> None:
    steps, losses = points["step"], points["loss"]
    smooth = losses.ewm(alpha=0.1).mean()
    axes.plot(steps, losses, color=BASELINE, linewidth=0.8, alpha=0.45)
    axes.plot(steps, smooth, color=INK, linewidth=1.6)
    last = (steps.iloc[-1], smooth.iloc[-1])
    axes.annotate("loss", last, xytext=(0, 9), textcoords="offset points", ha="center")
    axes.set_ylabel("loss")


def _recall_lines(left: Axes, evaluations: Sequence[Mapping[str, Any]]) -> None:
    right = left.twinx()
    steps = [row["step"] for row in evaluations]
    names = [name for name in evaluations[0] if name.endswith(("recall@1", "recall@10"))]
    for name in names:
        direction, _, metric = name.rpartition("_")
        color = FINETUNED if direction != "image_to_text" else GREEN
        values = [estimate(row.get(name)).value for row in evaluations]
        style = "-" if metric.endswith("@1") else (0, (4, 2))
        right.plot(steps, values, color=color, marker="o", markersize=3.5, linewidth=1.5, linestyle=style)
        words = {"text_to_image": "words → image ", "image_to_text": "image → words "}.get(direction, "")
        right.plot([], [], color=color, linestyle=style, label=f"{words}{metric_label(metric)}")
    right.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=len(names), frameon=False, fontsize=8, handlelength=1.8
    )
    right.set_ylim(0, 1.05)
    right.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    right.set_ylabel("validation recall")
    right.spines["right"].set_visible(False)
