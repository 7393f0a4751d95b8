"""Quality gates of a release: measurements in, verdicts out."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tasks.retrieval.config import EvaluationConfig, GateConfig
from tasks.retrieval.self_test import SelfTestResult
from tasks.retrieval.significance import compare
from tasks.schema.release import Gate

_OWN_ROW = 0.98
_SMALL_SAMPLE = 0.05  # the recall of a few queries scatters around the recall tuned on many
_MIN_QUERIES = 20  # with fewer, chance alone can look like a loss
_TOO_FEW = "too few to tell a loss from chance"


def index_gates(found: SelfTestResult, summary: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[Gate, ...]:
    """Gates of one index from its self-test and its manifest's ``summary`` and ``parameters``."""
    target, recall = float(parameters["recall_target"]), float(summary["recall"])
    least = max(target - _SMALL_SAMPLE, 0)
    passed = not found.fault and found.own_row >= _OWN_ROW and found.text_recall >= least
    return (
        Gate(
            name="rows",
            value=None if found.fault else found.rows,
            limit=f"= {summary['items']} products",
            passed=found.rows == found.items == summary["items"],
        ),
        Gate(
            name="self_test",
            value=None if found.fault else min(found.own_row, found.text_recall),
            limit=f">= {_OWN_ROW} of images find their own row, >= {least:.2f} of exact search's answers to texts",
            passed=passed,
            detail=found.fault or f"{found.own_row:.3f} of images, {found.text_recall:.3f} of answers to texts",
        ),
        Gate(
            name=f"recall@{parameters['recall_at']}_text",
            value=recall,
            limit=f">= {target}",
            passed=recall >= target,
            detail="" if recall >= target else "raise nlist or lower index.recall_target",
        ),
    )


def baseline_gate(difference: Mapping[str, float]) -> Gate:
    """Fine-tuning must not make search worse: the paired interval of the difference must reach zero or above."""
    name, limit = "recall@10_against_baseline", ">= 0 (upper end of 95 %)"
    distinct = difference.get("distinct", difference.get("n", _MIN_QUERIES))
    if distinct < _MIN_QUERIES:
        return Gate(name=name, value=None, limit=limit, passed=True, detail=f"{distinct} distinct queries, {_TOO_FEW}")
    high = float(difference["high"])
    return Gate(name=name, value=high, limit=limit, passed=high >= 0)


def count_gates(
    live: Collection[str], new: Collection[str], taken_down: Collection[str], config: GateConfig
) -> tuple[Gate, ...]:
    """Whether the catalogue changed by more than a shop changes overnight. Arguments are item ids.

    Items that were ``taken_down`` by hand are left out of both counts.
    """
    before, after = set(live) - set(taken_down), set(new) - set(taken_down)
    gone = len(before - after)
    base = max(len(before), 1)
    change = (len(after) - len(before)) / base
    band, most = (max(share, config.small_change / base) for share in (config.item_band, config.deletes))
    listed = f"the shop lists {len(after)} products, {len(before)} are live"
    left = f"{gone} of {len(before)} live products are not listed any more"
    if change < -band:
        listed += ": if its export was cut short, run again once it is whole"
    elif change > band:
        listed += ": look for listings that were sent twice"
    elif gone / base > most:
        left += ", as many others came: if the shop gave them new ids, this is no loss"
    return (
        Gate(
            name="items",
            value=change,
            limit=f"{-band:.3g} to {band:.3g} of the live release's",
            passed=abs(change) <= band,
            detail=listed,
        ),
        Gate(
            name="deletes",
            value=gone / base,
            limit=f"<= {most:.3g} of the live release's",
            passed=gone / base <= most,
            detail=left,
        ),
    )


def live_recall_gate(live: np.ndarray, new: np.ndarray, clusters: np.ndarray | None = None) -> Gate:
    """Paired test of two (n,) bool arrays: whether the title of test product i found it among the first 10 answers.

    clusters: (n,) int, rows of one title or design, which are one distinct query; None: all differ.
    """
    name, limit = "recall@10_against_live", ">= 0 (upper end of the paired 95 % interval)"
    distinct = len(live) if clusters is None else len(np.unique(clusters))
    of_titles = f"{distinct} distinct titles or designs, of " if distinct < len(live) else ""
    if distinct < _MIN_QUERIES:
        detail = f"{of_titles}{len(live)} products of the test split are in both releases, {_TOO_FEW}"
        return Gate(name=name, value=None, limit=limit, passed=True, detail=detail)
    before, after = ({"recall@10": side.astype(np.float64)} for side in (live, new))
    found = compare(before, after, EvaluationConfig(), clusters)["recall@10"]
    detail = f"{found['baseline']:.3f} live, {found['candidate']:.3f} now, on {len(live)} titles of the test split"
    if of_titles:
        detail += f", {distinct} of them distinct"
    return Gate(name=name, value=found["high"], limit=limit, passed=found["high"] >= 0, detail=detail)


def overlap_gate(overlaps: np.ndarray, same_model: bool, config: GateConfig) -> Gate:
    """Share of the first 10 answers to golden queries that stay, (n,). No limit where the model is another."""
    name = "golden_overlap"
    if not len(overlaps):
        detail = "the two releases share no product, or there is no query"
        return Gate(name=name, value=None, limit=f">= {config.golden_overlap}", passed=True, detail=detail)
    value, detail = float(overlaps.mean()), f"{len(overlaps)} queries, the worst keeps {overlaps.min():.2f}"
    if not same_model:
        return Gate(name=name, value=value, limit="none: another model answers", passed=True, detail=detail)
    passed = value >= config.golden_overlap
    return Gate(name=name, value=value, limit=f">= {config.golden_overlap}", passed=passed, detail=detail)


def expected_gate(missed: list[str], asked: int, unknown: int) -> Gate:
    """Products that golden queries expect. missed: "query -> item" not in the first 10. unknown: not in the shop."""
    detail = f"missed: {'; '.join(missed[:5])}" if missed else ""
    if unknown:
        detail = f"{detail}{'. ' if detail else ''}expected products not in the catalogue, left out: {unknown}"
    return Gate(
        name="golden_expected",
        value=(asked - len(missed)) / asked if asked else None,
        limit="= 1: every expected product among the first 10",
        passed=not missed,
        detail=detail,
    )


def not_compared(why: str) -> Gate:
    """Takes the place of the gates against the live release where it cannot be compared with."""
    return Gate(name="live_release", value=None, limit="compared with the live release", passed=True, detail=why)
