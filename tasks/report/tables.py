"""Markdown tables of a run, as the Prefect UI draws them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.report.comparison import Cell, Metrics, comparison
from tasks.report.numbers import SETTINGS, SPLITS, count, metric_label
from tasks.schema.evaluation import SINGLE_POSITIVE
from tasks.schema.release import Gate, Release

_ROLES = {"catalog": "catalogue", "lexical": "word index", "removals": "taken down", "plan": "what changed"} | {
    name: name for name in ("model", "index", "classifier")
}
_STARS = (
    "Δ: paired test over the same queries, \\* p < 0.05, \\*\\* p < 0.01, \\*\\*\\* p < 0.001, n.s. not significant."
)


def escape(text: Any) -> str:
    """Text for a markdown table cell: nothing in it is markup, a link, or the end of the cell."""
    line = " ".join(str(text).split())
    safe = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", safe)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], numbers: int = 0) -> str:
    """A GFM table; the last ``numbers`` columns are right-aligned. Cells must be escaped already."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in (header, rule, *rows))


def metrics_table(
    model: Sequence[Metrics],
    baseline: Sequence[Metrics] = (),
    differences: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    intervals: bool = False,
) -> str:
    """Recall and MRR by split and direction: baseline, fine-tuned and difference with its significance.

    ``model`` and ``baseline``: the metrics of one split each, with their ``split``; ``differences``: split -> paired
    comparison, see `comparison.comparison`. ``intervals``: with the 95 % interval behind each figure.
    """
    known = {metrics["split"]: metrics for metrics in baseline}
    parts = []
    for metrics in model:
        split = metrics["split"]
        names, lines = comparison(metrics, known.get(split), (differences or {}).get(split))
        rows = [
            [
                line.direction,
                escape(line.name),
                *(_figure(cell, intervals) for cell in line.cells),
            ]
            for line in lines
        ]
        title = f"### {SPLITS.get(split, split)} (n={metrics.get('n', '?')}), {SETTINGS[SINGLE_POSITIVE]}"
        parts.append(title + "\n\n" + table(["Direction", "Setting", *map(metric_label, names)], rows, len(names)))
    if any(metrics.get("untrained") for metrics in baseline):
        parts.append("**The baseline is untrained**: its weights are random, so its figures are chance.")
    return "\n\n".join([*parts, _STARS] if differences else parts)


def _figure(cell: Cell, with_interval: bool) -> str:
    inside = f"({cell.interval})" if with_interval and cell.interval else ""
    return " ".join(part for part in (cell.text, inside, cell.mark.replace("*", "\\*")) if part)


def release_table(release: Release) -> str:
    """What a release is made of, its figures and its gates."""
    parts = [
        f"{count(release.items)} products. {escape(release.why)}",
        table(["Part", "Artifact"], [[_ROLES[role], f"`{ref}`"] for role, ref in release.served.items() if ref]),
    ]
    parts += [f"- {escape(note)}" for note in release.notes]
    if release.quality:
        parts.append(table(["Figure", "Value"], [[escape(k), f"{v:.4f}"] for k, v in release.quality.items()], 1))
    if release.gates:
        parts.append(table(["Gate", "Measured", "Limit", "Verdict", "What was found"], map(_gate_row, release.gates)))
    return "\n\n".join(parts)


def _gate_row(gate: Gate) -> list[str]:
    measured = "" if gate.value is None else f"{gate.value:.4g}"
    verdict = gate.verdict if gate.passed else f"**{gate.verdict}**"
    return [escape(gate.name), measured, escape(gate.limit), verdict, escape(gate.detail)]
