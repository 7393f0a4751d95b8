"""Figures of a run: catalogue, refused rows, recall, training and index. All return SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    canvas,
    data_uri,
    empty,
    set_title,
    shorten,
    svg,
)
from tasks.schema.evaluation import SINGLE_POSITIVE

__all__ = [
    "data_uri",
    "index_recall_latency",
    "label_distribution",
    "recall_comparison",
    "reject_reasons",
    "training_curves",
]


def label_distribution(counts: Mapping[str, int], *, title: str = "Products per category", top: int = 30) -> bytes:
    """Bars of the number of products by label, largest first; labels beyond ``top`` share one bar."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if not ranked:
        return empty("No categories in this catalogue.")
    rows = [(shorten(label) or "(none)", float(number), BLUE) for label, number in ranked[:top]]
    if rest := ranked[top:]:
        rows.append((f"{len(rest)} more", float(sum(number for _, number in rest)), BASELINE))
    total = sum(counts.values())
    return _bars(rows, f"{title} · {count(total)} in {count(len(ranked))}", lambda value: count(value))


def reject_reasons(counts: Mapping[str, int]) -> bytes:
    """Bars of the number of refused rows by reason code, largest first."""
    ranked = sorted(((k, v) for k, v in counts.items() if v), key=lambda pair: (-pair[1], pair[0]))
    if not ranked:
        return empty("No row was refused.")
    rows = [(reason.replace("_", " "), float(number), ORANGE) for reason, number in ranked]
    return _bars(rows, f"Refused rows · {count(sum(counts.values()))}", lambda value: count(value))


def _bars(rows: Sequence[tuple[str, float, str]], title: str, write: Any) -> bytes:
    with canvas(7.2, 0.9 + 0.27 * len(rows)) as (figure, axes):
        places = range(len(rows))
        axes.barh(places, [value for _, value, _ in rows], color=[color for *_, color in rows], height=0.7)
        axes.set_yticks(places, [label for label, *_ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        longest = max(value for _, value, _ in rows) or 1.0
        for place, (_, value, _) in enumerate(rows):
            axes.text(value + longest * 0.01, place, write(value), va="center", fontsize=9, color=MUTED)
        axes.set_xlim(0, longest * 1.12)
        set_title(figure, title)
        return svg(figure)


def recall_comparison(
    baseline: Mapping[str, Any],
    finetuned: Mapping[str, Any] | None = None,
    *,
    setting: str = SINGLE_POSITIVE,
    title: str = "Recall",
    names: tuple[str, str] = ("baseline", "fine-tuned"),
) -> bytes:
    """Recall@k of one or two models in both directions, with 95 % error bars.

    ``baseline`` and ``finetuned``: direction -> setting -> metric -> number or ``{"value", "low", "high"}``.
    """
    groups = [
        (direction, metric)
        for direction in ("text_to_image", "image_to_text")
        for metric in metric_names(baseline.get(direction, {}).get(setting, {}))
        if metric.startswith("recall@")
    ]
    if not groups:
        return empty("No recall was measured.")
    models = [(names[0], baseline, BASELINE)] + ([(names[1], finetuned, FINETUNED)] if finetuned else [])
    with canvas(9.4, 3.6) as (figure, axes):
        places = _group_places(groups)
        for number, (name, metrics, color) in enumerate(models):
            offset = 0.0 if len(models) == 1 else (number - 0.5) * 0.4
            cells = [estimate(metrics.get(d, {}).get(setting, {}).get(m)) for d, m in groups]
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
    points = [(row["step"], row["loss"]) for row in log.get("points", []) if "loss" in row]
    evaluations = [row for row in log.get("evaluations", []) if "step" in row]
    if not points and not evaluations:
        return empty("No training step was logged.")
    with canvas(9.4, 3.6) as (figure, left):
        if points:
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


def _loss_line(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    steps, losses = [step for step, _ in points], [loss for _, loss in points]
    smooth = _smooth(losses)
    axes.plot(steps, losses, color=BASELINE, linewidth=0.8, alpha=0.45)
    axes.plot(steps, smooth, color=INK, linewidth=1.6)
    axes.annotate("loss", (steps[-1], smooth[-1]), xytext=(0, 9), textcoords="offset points", ha="center")
    axes.set_ylabel("loss")


def _smooth(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Exponential moving average without the start-up bias (as Adam corrects it)."""
    mean, smoothed = 0.0, []
    for number, value in enumerate(values, start=1):
        mean = keep * mean + (1 - keep) * value
        smoothed.append(mean / (1 - keep**number))
    return smoothed


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


def index_recall_latency(points: Sequence[Mapping[str, Any]], *, target: float | None = None) -> bytes:
    """Recall against milliseconds per query, one dot for each setting; the chosen one is filled and bold.

    ``points``: ``{"name", "recall", "milliseconds", "chosen"?}``. ``target``: the recall that was asked for.
    """
    if not points:
        return empty("The index has one setting only: nothing to trade.")
    with canvas(7.2, 3.4) as (figure, axes):
        ordered = sorted(points, key=lambda point: point["milliseconds"])
        axes.plot([p["milliseconds"] for p in ordered], [p["recall"] for p in ordered], color=BASELINE, linewidth=1)
        for point in ordered:
            chosen = bool(point.get("chosen"))
            x, y = point["milliseconds"], point["recall"]
            axes.plot(x, y, "o", color=BLUE, markerfacecolor=BLUE if chosen else "white", markersize=8 if chosen else 5)
            weight = "bold" if chosen else "normal"
            axes.annotate(
                shorten(point["name"]),
                (x, y),
                xytext=(0, -15),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                weight=weight,
            )
        if target is not None:
            axes.axhline(target, color=ORANGE, linewidth=1, linestyle=(0, (3, 2)))
            axes.annotate(
                f"target {target:g}", (0, target), xycoords=("axes fraction", "data"), xytext=(2, 4),
                textcoords="offset points", color=ORANGE, fontsize=9,
            )  # fmt: skip
        axes.margins(x=0.12, y=0.2)
        axes.grid()
        axes.set_xlabel("milliseconds per query")
        axes.set_ylabel("recall, against exact search")
        set_title(figure, "Index: recall against time")
        return svg(figure)
