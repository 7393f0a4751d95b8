"""What was measured, of one model or of a model beside its baseline, as one self-contained page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.retrieval.config import EvaluationConfig
from tasks.schema.evaluation import DISTINCT_QUERIES, MULTI_POSITIVE, SINGLE_POSITIVE, current_key, current_keys
from tasks.schema.manifest import ArtifactRef, canonical_json
from tasks.stages.choosing import CUT_OFFS
from tasks.stages.evaluation import split_items
from tasks.store.artifacts.building import Build
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.images import read_image
from tasks.store.objects.store import Store

RECIPE = 1
_HEADLINE = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
_DISTINCT = "recall@10_distinct_queries"
_GATED = f"text_to_image/{MULTI_POSITIVE}/recall@10"
_DIRECTIONS = ("text_to_image", "image_to_text")
_RANK = f"text_to_image/{SINGLE_POSITIVE}/rank"


@dataclass(frozen=True)
class Measured:
    """One stored measurement, read back."""

    metrics: dict[str, Any]
    per_query: dict[str, np.ndarray]
    ranking: pa.Table


def report(
    build: Build,
    measured: list[ArtifactRef],
    baseline: list[ArtifactRef],
    catalog: ArtifactRef,
    config: EvaluationConfig,
) -> str:
    """Store the report, and return its tables as markdown.

    ``measured[i]`` and ``baseline[i]`` are of the same split; ``baseline`` may be empty.
    """
    from tasks.report.tables import metrics_table

    after, before = ([_read(build.store, one) for one in refs] for refs in (measured, baseline))
    clusters = {one.metrics["split"]: _distinct_queries(build.store, catalog, one.metrics["split"]) for one in after}
    differences = _differences(after, before, config, clusters)
    page = _page(build.store, after, before, differences, catalog)
    (build.folder / "report.html").write_text(page, encoding="utf-8")
    stored = {"model": _metrics(after), "baseline": _metrics(before), "differences": differences}
    (build.folder / "metrics.json").write_text(canonical_json(stored), encoding="utf-8")
    build.commit(_summary(after, before, differences))
    return metrics_table(_metrics(after), _metrics(before), differences)


def _read(store: Store, ref: ArtifactRef) -> Measured:
    per_query, ranking = (fetch_table(store, ref, f"{name}.parquet") for name in ("per_query", "ranking"))
    return Measured(
        metrics=current_keys(store.read_json(f"{ref.folder}/metrics.json")),
        per_query={current_key(name): per_query[name].to_numpy() for name in per_query.column_names},
        ranking=ranking.rename_columns([current_key(name) for name in ranking.column_names]),
    )


def _metrics(measured: list[Measured]) -> list[dict[str, Any]]:
    return [one.metrics for one in measured]


def _distinct_queries(store: Store, catalog: ArtifactRef, split: str) -> np.ndarray:
    """Code (n,) of each row's title or design. From the catalogue, since older evaluations do not hold it."""
    from tasks.retrieval.metrics import equivalent

    items = split_items(store, catalog, split)
    return equivalent([item["title"] for item in items], [item["group_id"] for item in items])


def _differences(
    after: list[Measured], before: list[Measured], config: EvaluationConfig, clusters: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """split -> "direction/setting/metric" -> paired difference, model minus baseline. clusters: split -> (n,) codes."""
    pairs = zip(after, before, strict=True) if before else ()
    return {new.metrics["split"]: _compared(old, new, config, clusters[new.metrics["split"]]) for new, old in pairs}


def _compared(old: Measured, new: Measured, config: EvaluationConfig, clusters: np.ndarray) -> dict[str, Any]:
    from tasks.retrieval.metrics import by_distinct_query
    from tasks.retrieval.significance import compare

    found = compare(old.per_query, new.per_query, config, clusters)
    if len(np.unique(clusters)) == len(clusters):
        return found
    for direction in _DIRECTIONS:
        before, after = (by_distinct_query(side.per_query, direction, clusters) for side in (old, new))
        cells = compare(before, after, config)
        found |= {f"{direction}/{DISTINCT_QUERIES}/{name}": cell for name, cell in cells.items()}
    return found


def _summary(after: list[Measured], before: list[Measured], differences: dict[str, Any]) -> dict[str, Any]:
    """Headline figures of the last split measured (test, by default), and the difference that the gate looks at."""
    split = after[-1].metrics["split"]
    summary: dict[str, Any] = {"split": split, "headline": _headline(after[-1])}
    if before:
        summary["baseline_headline"] = _headline(before[-1])
        summary["difference"] = differences[split].get(_GATED)
    return summary


def _headline(measured: Measured) -> dict[str, float]:
    """Figures of one right answer and, where titles or designs repeat, one in which each counts once.

    Recall at a cut-off that takes in the whole split is left out: it is 1 whatever the model.
    """
    figures = measured.metrics["text_to_image"]
    trivial = {f"recall@{k}" for k in CUT_OFFS if k >= measured.metrics["n"]}
    cells = {name: cell for name, cell in figures[SINGLE_POSITIVE].items() if name not in trivial}
    headline = {name: cells[name]["value"] for name in _HEADLINE if name in cells}
    distinct = figures.get(DISTINCT_QUERIES, {}).get("recall@10") if "recall@10" in cells else None
    return headline | ({_DISTINCT: distinct["value"]} if distinct else {})


def _page(
    store: Store, after: list[Measured], before: list[Measured], differences: dict[str, Any], catalog: ArtifactRef
) -> str:
    from tasks.report.evaluation_report import render_report

    model = ArtifactRef(kind="model", id=after[-1].metrics["model"])
    log = f"{model.folder}/training_log.json"
    facts = {"model": model.id, "catalogue": catalog.id}
    if before:
        facts["baseline"] = before[-1].metrics["model"]
    return render_report(
        _metrics(after),
        _metrics(before),
        differences,
        facts=facts,
        training=store.read_json(log) if store.exists(log) else None,
        gallery=list(_gallery(store, after[-1], before[-1] if before else None, catalog)),
    )


def _gallery(store: Store, after: Measured, before: Measured | None, catalog: ArtifactRef) -> Iterator[dict[str, Any]]:
    """Title queries worth a look, with their images."""
    from tasks.report.gallery import choose_examples

    items = split_items(store, catalog, after.metrics["split"])
    ranks = after.ranking[_RANK].to_numpy()
    top = np.array(after.ranking["text_to_image"].to_pylist())
    for example in choose_examples(ranks, top):
        row = example["row"]
        hits = [
            {
                "title": items[shown]["title"],
                "image": read_image(store, items[shown]["image_sha256"]),
                "correct": shown == row or items[shown]["group_id"] == items[row]["group_id"],
            }
            for shown in example["shown"]
        ]
        yield {
            "query": items[row]["title"],
            "rank": example["rank"],
            "baseline_rank": int(before.ranking[_RANK][row].as_py()) if before else None,
            "answer": {"title": items[row]["title"], "image": read_image(store, items[row]["image_sha256"])},
            "hits": hits,
        }
