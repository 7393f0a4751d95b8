"""Task: report what was measured, of one model or of a model beside its baseline."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.evaluate import split_items
from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_markdown, show_reused
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.manifest import ArtifactRef, artifact_id, canonical_json
from tasks.store.artifacts import artifacts
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.images import read_picture
from tasks.store.objects.store import Store, open_store

RECIPE = 1
_HEADLINE = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
_GATED = "text_to_image/multi_positive/recall@10"


@dataclass(frozen=True)
class Measured:
    """One stored measurement, read back."""

    metrics: dict[str, Any]
    per_query: dict[str, np.ndarray]
    ranking: pa.Table


@compute_task(name="report")
def report(
    measured: list[ArtifactRef],
    baseline: list[ArtifactRef],
    catalog: ArtifactRef,
    config: EvaluationConfig,
    refresh: bool = False,
) -> ArtifactRef:
    """One self-contained page. ``measured[i]`` and ``baseline[i]`` are of the same split; ``baseline`` may be empty."""
    store = open_store()
    parents = {f"model_{row}": ref for row, ref in enumerate(measured)}
    parents |= {f"baseline_{row}": ref for row, ref in enumerate(baseline)} | {"catalog": catalog}
    parameters = config.model_dump(mode="json")
    ref = ArtifactRef(kind="evaluation", id=artifact_id("evaluation", parents, parameters, RECIPE))
    if not refresh and (known := artifacts.find(store, ref)):
        show_reused(store, known)
        return ref
    after, before = ([_read(store, one) for one in refs] for refs in (measured, baseline))
    differences = _differences(after, before, config)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "report.html").write_text(_page(store, after, before, differences, catalog), encoding="utf-8")
        stored = {"model": _metrics(after), "baseline": _metrics(before), "differences": differences}
        (folder / "metrics.json").write_text(canonical_json(stored), encoding="utf-8")
        summary = _summary(after, before, differences)
        artifacts.commit(
            store,
            "evaluation",
            ref.id,
            folder,
            recipe=RECIPE,
            parents=parents,
            parameters=parameters,
            summary=summary,
        )
    _show(store, ref, after, before, differences)
    return ref


def _read(store: Store, ref: ArtifactRef) -> Measured:
    table = fetch_table(store, ref, "per_query.parquet")
    return Measured(
        metrics=store.read_json(f"{ref.folder}/metrics.json"),
        per_query={name: table[name].to_numpy() for name in table.column_names},
        ranking=fetch_table(store, ref, "ranking.parquet"),
    )


def _metrics(measured: list[Measured]) -> list[dict[str, Any]]:
    return [one.metrics for one in measured]


def _differences(after: list[Measured], before: list[Measured], config: EvaluationConfig) -> dict[str, Any]:
    """split -> "direction/setting/metric" -> paired difference, model minus baseline."""
    from tasks.retrieval.significance import compare

    pairs = zip(after, before, strict=True) if before else ()
    return {new.metrics["split"]: compare(old.per_query, new.per_query, config) for new, old in pairs}


def _summary(after: list[Measured], before: list[Measured], differences: dict[str, Any]) -> dict[str, Any]:
    """Headline figures of the last split measured (test, by default), and the difference that the gate looks at."""
    split = after[-1].metrics["split"]
    summary: dict[str, Any] = {"split": split, "headline": _headline(after[-1])}
    if before:
        summary["baseline_headline"] = _headline(before[-1])
        summary["difference"] = differences[split].get(_GATED)
    return summary


def _headline(measured: Measured) -> dict[str, float]:
    strict = measured.metrics["text_to_image"]["strict"]
    return {name: strict[name]["value"] for name in _HEADLINE if name in strict}


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
    """Title queries worth a look, with their pictures."""
    from tasks.report.gallery import choose_examples

    items = split_items(store, catalog, after.metrics["split"])
    ranks = after.ranking["text_to_image/strict/rank"].to_numpy()
    top = np.array(after.ranking["text_to_image"].to_pylist())
    for example in choose_examples(ranks, top):
        row = example["row"]
        hits = [
            {
                "title": items[shown]["title"],
                "picture": read_picture(store, items[shown]["image_sha256"]),
                "correct": shown == row or items[shown]["group_id"] == items[row]["group_id"],
            }
            for shown in example["shown"]
        ]
        yield {
            "query": items[row]["title"],
            "rank": example["rank"],
            "baseline_rank": int(before.ranking["text_to_image/strict/rank"][row].as_py()) if before else None,
            "answer": {"title": items[row]["title"], "picture": read_picture(store, items[row]["image_sha256"])},
            "hits": hits,
        }


def _show(
    store: Store, ref: ArtifactRef, after: list[Measured], before: list[Measured], differences: dict[str, Any]
) -> None:
    from tasks.report.tables import metrics_table

    table = metrics_table(_metrics(after), _metrics(before), differences)
    page = store.url(f"{ref.folder}/report.html")
    show_markdown("evaluation", f"{table}\n\nFull report: [{page}]({page})", "How well the model retrieves")
