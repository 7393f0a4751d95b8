"""Tasks: build the FAISS index over stored vectors, and let it pass its gate before anything may go live."""

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect.logging import get_run_logger

from tasks.embed import load_encoder
from tasks.policies import accelerator, compute_task, io_task
from tasks.retrieval.config import IndexConfig
from tasks.schema.errors import GateRefused
from tasks.schema.manifest import ArtifactRef, Manifest, artifact_id
from tasks.schema.release import Gate
from tasks.show import show_markdown, show_table, track
from tasks.store import artifacts, embeddings
from tasks.store.cache import fetch, fetch_table
from tasks.store.store import Store, open_store

RECIPE = 1
_SELF_TEST_ROWS = 64


@compute_task(name="build-index")
def build(model: ArtifactRef, catalog: ArtifactRef, config: IndexConfig, refresh: bool = False) -> ArtifactRef:
    """Index every item of the catalogue: row i of the index is row i of the ``items.parquet`` beside it."""
    store = open_store()
    parents = {"model": model, "catalog": catalog}
    parameters = config.model_dump(mode="json")
    ref = ArtifactRef(kind="index", id=artifact_id("index", parents, parameters, RECIPE))
    if not refresh and artifacts.find(store, ref):
        get_run_logger().info("Index %s is already built", ref.id)
        return ref
    from tasks.retrieval.index import build_index, save_index

    items = fetch_table(store, catalog, "items.parquet")
    vectors = embeddings.load_vectors(store, model.id, items["image_sha256"].to_pylist())
    queries = load_encoder(model).encode_texts(_text_queries(items, config))
    with accelerator(), track("build-index", "building the index") as progress:
        built = build_index(vectors, queries, config, progress=progress)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_index(built, folder / "index.faiss")
        shutil.copy(fetch(store, catalog, only=["items.parquet"]) / "items.parquet", folder)
        summary = {
            "kind": built.kind,
            "factory": built.factory,
            "search_params": built.search_params,
            "items": items.num_rows,
            "dim": int(vectors.shape[1]),
            **built.figures,
        }
        rows = {"index.faiss": items.num_rows, "items.parquet": items.num_rows}
        manifest = artifacts.commit(
            store,
            "index",
            ref.id,
            folder,
            recipe=RECIPE,
            parents=parents,
            parameters=parameters,
            summary=summary,
            rows=rows,
        )
    _show(manifest)
    return manifest.ref


def _text_queries(items: pa.Table, config: IndexConfig) -> list[str]:
    """What people type: captions of every kind, of products held out of training where there are any."""
    rows = items.select(["split", "captions"]).to_pylist()
    held_out = [row for row in rows if row["split"] in ("val", "test")] or rows
    texts = sorted({text for row in held_out for _, text in row["captions"]})
    random.Random(config.seed).shuffle(texts)
    return texts[: config.tuning_queries]


@io_task(name="gate-index")
def gate(index: ArtifactRef, enforce: bool = True) -> tuple[Gate, ...]:
    """Check the written files: they load, each tested vector finds its own row, recall on text queries holds.

    Raises GateRefused naming every gate that failed, unless told not to ``enforce``.
    """
    store = open_store()
    manifest = artifacts.load_manifest(store, index)
    gates = index_gates(store, manifest)
    show_table("index-gate", [gate.model_dump() for gate in gates], "Gates of the index")
    failed = [gate for gate in gates if not gate.passed]
    if failed and enforce:
        found = "; ".join(f"{gate.name} is {gate.value:.4g}, expected {gate.limit}" for gate in failed)
        raise GateRefused(f"Index {index.id} is refused: {found}. Raise nlist or nprobe, or lower index.recall_target.")
    return gates


def index_gates(store: Store, manifest: Manifest) -> tuple[Gate, ...]:
    """The gates of one stored index: self-test of the files as downloaded, row counts, recall on text queries."""
    from tasks.retrieval.search import Searcher

    folder = fetch(store, manifest.ref)
    items = fetch_table(store, manifest.ref, "items.parquet", columns=["image_sha256"])
    hashes = items["image_sha256"].to_pylist()
    searcher = Searcher.open(folder / "index.faiss", manifest.summary["search_params"])
    rows = random.Random(0).sample(range(len(hashes)), min(_SELF_TEST_ROWS, len(hashes)))
    vectors = embeddings.load_vectors(store, manifest.parents["model"].id, [hashes[row] for row in rows])
    _, found = searcher.search(vectors, top_k=10)
    own = sum(
        any(hit >= 0 and hashes[hit] == hashes[row] for hit in hits)
        for row, hits in zip(rows, found.tolist(), strict=True)
    )
    at, target = manifest.parameters["recall_at"], manifest.parameters["recall_target"]
    recall = float(manifest.summary["recall"])
    return (
        Gate(name="rows", value=searcher.ntotal, limit=f"= {len(hashes)} items", passed=searcher.ntotal == len(hashes)),
        Gate(
            name="self_test",
            value=own / max(len(rows), 1),
            limit=">= 0.98 find their own row",
            passed=own >= 0.98 * len(rows),
        ),
        Gate(name=f"recall@{at}_text", value=recall, limit=f">= {target}", passed=recall >= target),
    )


def _show(manifest: Manifest) -> None:
    rows = "\n".join(f"| {name} | {_words(value)} |" for name, value in manifest.summary.items())
    show_markdown(
        "index", f"# Index `{manifest.id}`\n\n| what | value |\n|---|---|\n{rows}", "Kind, recall and latency"
    )


def _words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
