"""Markdown tables of a run, as the Prefect UI draws them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.report.comparison import Metrics, comparison
from tasks.report.numbers import SETTINGS, SPLITS, count, metric_label
from tasks.schema.evaluation import SINGLE_POSITIVE

_STARS = (
    "Δ: paired test over the same queries, \\* p < 0.05, \\*\\* p < 0.01, \\*\\*\\* p < 0.001, n.s. not significant."
)


def escape(text: Any) -> str:
    """Text for a markdown table cell: nothing in it is markup, a link, or the end of the cell."""
    line = " ".join(str(text).split())
    safe = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", safe)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], numbers: int = 0) -> str:
    """A GFM table; the last ``numbers`` columns are set to the right. Cells must be escaped already."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in (header, rule, *rows))


def metrics_table(
    model: Sequence[Metrics],
    baseline: Sequence[Metrics] = (),
    differences: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    setting: str = SINGLE_POSITIVE,
) -> str:
    """Recall and MRR by split and direction: baseline, fine-tuned and difference with its significance.

    ``model`` and ``baseline``: the metrics of one split each, with their ``split``; ``differences``: split -> paired
    comparison, see `comparison.comparison`.
    """
    known = {metrics["split"]: metrics for metrics in baseline}
    parts = []
    for metrics in model:
        split = metrics["split"]
        names, lines = comparison(metrics, known.get(split), (differences or {}).get(split), setting=setting)
        rows = [
            [
                line.direction,
                escape(line.name),
                *(f"{cell.text} {cell.mark.replace('*', chr(92) + '*')}".strip() for cell in line.cells),
            ]
            for line in lines
        ]
        title = f"### {SPLITS.get(split, split)} (n={metrics.get('n', '?')}), {SETTINGS.get(setting, setting)}"
        parts.append(title + "\n\n" + table(["Direction", "Setting", *map(metric_label, names)], rows, len(names)))
    if any(metrics.get("untrained") for metrics in baseline):
        parts.append("**The baseline is untrained**: its weights are random, so its figures are chance.")
    return "\n\n".join([*parts, _STARS] if differences else parts)


def reject_table(rejects: Sequence[Mapping[str, Any]], limit: int = 100) -> str:
    """Refused rows with their reason, at most ``limit``; says how many more there are."""
    if not rejects:
        return "No row was refused."
    rows = [
        [
            row["row"],
            f"`{escape(row['item_id'])}`" if row["item_id"] else "–",
            escape(row["reason"]),
            escape(row["detail"])[:300],
        ]
        for row in rejects[:limit]
    ]
    more = f"\n\nand {count(len(rejects) - limit)} more in rejects.parquet" if len(rejects) > limit else ""
    return table(["Row", "Item", "Reason", "What was found"], rows) + more


def release_table(release: Mapping[str, Any]) -> str:
    """What a release (as JSON) is made of, its figures and its gates."""
    roles = [(role, release.get(role)) for role in ("catalog", "model", "index", "classifier")]
    made = [[role, f"`{ref['kind']}/{ref['id']}`"] for role, ref in roles if ref]
    figures = [[escape(name), f"{value:.4f}"] for name, value in release.get("quality", {}).items()]
    gates = [
        [
            escape(gate["name"]),
            "" if gate["value"] is None else f"{gate['value']:.4g}",
            escape(gate["limit"]),
            "passed" if gate["passed"] else "**refused**",
            escape(gate.get("detail", "")),
        ]
        for gate in release.get("gates", ())
    ]
    parts = [f"{count(release['items'])} products. {escape(release.get('why', ''))}", table(["Part", "Artifact"], made)]
    if figures:
        parts.append(table(["Figure", "Value"], figures, 1))
    if gates:
        parts.append(table(["Gate", "Measured", "Limit", "Verdict", "What was found"], gates))
    return "\n\n".join(parts)


def stage_table(stages: Sequence[Mapping[str, Any]]) -> str:
    """One row a stage: ``{"step", "artifact", "figures", "seconds"?}``."""
    rows = [
        [
            escape(s["step"]),
            f"`{escape(s['artifact'])}`",
            escape(s["figures"]),
            f"{s['seconds']:.0f} s" if s.get("seconds") else "",
        ]
        for s in stages
    ]
    return table(["Step", "Made", "Figures", "Time"], rows)
