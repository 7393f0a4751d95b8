"""Rows of a comparison table: baseline, fine-tuned, difference; rendered as markdown and as HTML elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.report.numbers import (
    DIRECTIONS,
    QUERY_TYPES,
    Estimate,
    estimate,
    interval,
    metric_names,
    p_words,
    share,
    signed,
    stars,
)
from tasks.schema.evaluation import SINGLE_POSITIVE

UNTRAINED = "random weights, untrained"
#: A split's metrics as stored: {"split", "n", "model_name"?, "untrained"?, direction: {setting: {metric: cell}},
#: "queries"?: {query type: {metric: cell}}}
Metrics = Mapping[str, Any]


class Cell(NamedTuple):
    """One formatted figure: value, interval, and for a difference its significance."""

    text: str
    interval: str = ""
    mark: str = ""
    p: str = ""


class Line(NamedTuple):
    """One row: direction, name, and one cell for each metric. ``kind``: baseline, model or difference."""

    direction: str
    name: str
    kind: str
    cells: tuple[Cell, ...]


def model_names(model: Metrics, baseline: Metrics | None) -> tuple[str, str]:
    """Names of model and baseline in tables; untrained weights are marked as such."""
    if baseline is None:
        return f"Model ({UNTRAINED if model.get('untrained') else model.get('model_name', 'pretrained')})", ""
    return (
        f"Fine-tuned ({UNTRAINED if model.get('untrained') else 'contrastive'})",
        f"Baseline ({UNTRAINED if baseline.get('untrained') else 'pretrained'})",
    )


def comparison(
    model: Metrics,
    baseline: Metrics | None = None,
    difference: Mapping[str, Any] | None = None,
    *,
    setting: str = SINGLE_POSITIVE,
) -> tuple[list[str], list[Line]]:
    """Metric codes and lines of one split, both directions, by direction and then baseline, model, difference.

    ``difference``: "direction/setting/metric" -> ``{"difference", "low", "high", "p_value"}`` of the paired comparison;
    without it the differences are plain subtractions.
    """
    names: list[str] = []
    lines = []
    own, other = model_names(model, baseline)
    for direction in DIRECTIONS:
        block = model.get(direction, {}).get(setting, {})
        if not block:
            continue
        names = names or metric_names(block)
        before = (baseline or {}).get(direction, {}).get(setting, {})
        if baseline is not None:
            lines.append(Line(DIRECTIONS[direction], other, "baseline", _values(before, names)))
        lines.append(Line(DIRECTIONS[direction], own, "model", _values(block, names)))
        if baseline is not None:
            tested = [(difference or {}).get(f"{direction}/{setting}/{name}") for name in names]
            cells = _differences(block, before, names, tested)
            lines.append(Line(DIRECTIONS[direction], "Δ (fine-tuned − baseline)", "difference", cells))
    return names, lines


def query_types(model: Metrics, baseline: Metrics | None = None) -> list[dict[str, Any]]:
    """One row for each query type: its code, number of queries, and by metric the cells of baseline and model."""
    rows = []
    before = (baseline or {}).get("queries", {})
    measured_types = model.get("queries") or {}
    known = [kind for kind in QUERY_TYPES if kind in measured_types]  # stored JSON has its keys sorted: not our order
    for kind in [*known, *(kind for kind in measured_types if kind not in known)]:
        block = measured_types[kind]
        names = [name for name in ("hit@1", "precision@10", "ndcg@10", "mrr", "recall@1", "recall@10") if name in block]
        cells = {
            name: (_value(before.get(kind, {}).get(name)) if baseline else None, _value(block[name])) for name in names
        }
        rows.append({"kind": kind, "n": block.get("n"), "cells": cells})
    return rows


def _values(block: Mapping[str, Any], names: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(_value(block.get(name)) for name in names)


def _value(cell: Any) -> Cell:
    found = estimate(cell)
    return Cell(share(found.value), interval(found))


def _differences(
    block: Mapping[str, Any], before: Mapping[str, Any], names: Sequence[str], tested: Sequence[Any]
) -> tuple[Cell, ...]:
    cells = []
    for name, test in zip(names, tested, strict=True):
        found = estimate(test) if test else Estimate(estimate(block.get(name)).value - estimate(before.get(name)).value)
        cells.append(Cell(signed(found.value), interval(found, signed), stars(found.p), p_words(found.p)))
    return tuple(cells)
