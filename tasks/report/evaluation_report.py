"""The evaluation report: one self-contained HTML file, which needs no server or network."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.report.comparison import Metrics, comparison, query_types
from tasks.report.figures import recall_comparison, training_curves
from tasks.report.gallery import thumbnail
from tasks.report.numbers import (
    QUERY_TYPES,
    SETTINGS,
    SPLITS,
    count,
    estimate,
    interval,
    metric_label,
    p_words,
    share,
    signed,
)
from tasks.report.style import data_uri
from tasks.schema.evaluation import SINGLE_POSITIVE

_ENVIRONMENT = Environment(
    loader=PackageLoader("tasks.report"),
    autoescape=True,  # every title is the shop's text
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["label"] = metric_label
_ENVIRONMENT.filters["thumbnail"] = thumbnail
_HEADLINE = ("recall@1", "recall@10", "mrr")


def render_report(
    model: Sequence[Metrics],
    baseline: Sequence[Metrics] = (),
    differences: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    title: str = "Retrieval evaluation",
    facts: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    gallery: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Report of one model, or of a model and its baseline, as one self-contained HTML file.

    model, baseline: stored metrics, one mapping a split: ``split``, ``n``, ``untrained`` (weights are random),
    ``model_name``, direction -> setting -> metric -> ``{"value", "low", "high"}``, ``queries`` (type -> metrics).
    differences: split -> "direction/setting/metric" -> ``{"difference", "low", "high", "p_value"}``.
    training: the training log. facts: shown under the title.
    gallery: ``{"query", "rank", "answer": {"title", "image"}, "hits": [{"title", "image", "correct"}],
    "baseline_rank"?}``, images as encoded bytes.
    """
    before = {metrics["split"]: metrics for metrics in baseline}
    context = {
        "title": title,
        "facts": dict(facts or {}),
        "made_at": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        "untrained_baseline": any(metrics.get("untrained") for metrics in baseline),
        "untrained_model": any(metrics.get("untrained") for metrics in model),
        "headline": _headline(model, before, differences or {}),
        "splits": [_split(m, before.get(m["split"]), (differences or {}).get(m["split"])) for m in model],
        "training": data_uri(training_curves(training)) if training else None,
        "examples": gallery,
    }
    return _ENVIRONMENT.get_template("evaluation.html.j2").render(context)


def _headline(
    model: Sequence[Metrics], before: Mapping[str, Metrics], differences: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The headline figures: text to image on the test split, or on the last split if there is none."""
    metrics = next((m for m in model if m["split"] == "test"), model[-1])
    split = metrics["split"]
    block = metrics["text_to_image"][SINGLE_POSITIVE]
    tiles = []
    for name in (name for name in _HEADLINE if name in block):
        value = estimate(block[name])
        tile = {
            "name": metric_label(name),
            "value": share(value.value, 3),
            "interval": interval(value),
            "delta": "",
            "p": "",
        }
        if split in before:
            old = estimate(before[split]["text_to_image"][SINGLE_POSITIVE].get(name))
            test = estimate(differences.get(split, {}).get(f"text_to_image/{SINGLE_POSITIVE}/{name}"))
            tile |= {"delta": signed(value.value - old.value, 3), "p": p_words(test.p), "old": share(old.value, 3)}
            chance = before[split].get("untrained")  # better than chance is no success: no green
            tile["sure"] = "even" if chance else "up" if test.low > 0 else "down" if test.high < 0 else "even"
        tiles.append(tile)
    return {"split": SPLITS.get(split, split), "n": count(metrics.get("n", 0)), "tiles": tiles}


def _split(metrics: Metrics, baseline: Metrics | None, difference: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = []
    for setting, words in SETTINGS.items():
        columns, lines = comparison(metrics, baseline, difference, setting=setting)
        if lines:
            settings.append({"words": words, "metrics": [metric_label(name) for name in columns], "lines": lines})
    name = SPLITS.get(metrics["split"], metrics["split"])
    heading = f"{name} · {count(metrics.get('n', 0))} queries"
    old = "untrained baseline" if baseline and baseline.get("untrained") else "baseline"
    names = (old, "fine-tuned") if baseline else (str(metrics.get("model_name", "model")), "")
    first, second = (baseline, metrics) if baseline else (metrics, None)
    types = query_types(metrics, baseline)
    return {
        "name": name,
        "n": count(metrics.get("n", 0)),
        "shared": metrics.get("multi_positive_share"),
        "settings": settings,
        "figure": data_uri(recall_comparison(first, second, title=heading, names=names)),
        "types": [{**row, "words": QUERY_TYPES.get(row["kind"], row["kind"])} for row in types],
        "type_metrics": list(dict.fromkeys(name for row in types for name in row["cells"])),
        "chance": share(1 / metrics["n"], 4) if metrics.get("n") else "–",
    }
