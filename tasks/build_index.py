"""Task: build the FAISS index over stored vectors."""

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.embed import load_encoder
from tasks.orchestration.policies import accelerator, compute_task
from tasks.orchestration.run_artifacts import show_markdown, show_reused, track
from tasks.retrieval.config import IndexConfig
from tasks.schema.manifest import ArtifactRef, Manifest, artifact_id
from tasks.store.artifacts import artifacts, embeddings
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.objects.store import open_store

RECIPE = 5


@compute_task(name="build-index")
def build(model: ArtifactRef, catalog: ArtifactRef, config: IndexConfig, refresh: bool = False) -> ArtifactRef:
    """Index every item of the catalogue: row i of the index is row i of the ``items.parquet`` beside it."""
    store = open_store()
    parents = {"model": model, "catalog": catalog}
    parameters = config.model_dump(mode="json")
    ref = ArtifactRef(kind="index", id=artifact_id("index", parents, parameters, RECIPE))
    if not refresh and (stored := artifacts.find(store, ref)):
        show_reused(store, stored)
        return ref
    from tasks.retrieval import self_test
    from tasks.retrieval.index import build_index, choose_tuning_queries, save_index

    items = fetch_table(store, catalog, "items.parquet", columns=["image_sha256", "split", "captions"])
    hashes = items["image_sha256"].to_pylist()
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as source:
        folder = Path(scratch)
        vectors = embeddings.load_vectors(store, model.id, hashes, into=Path(source) / "vectors.npy")
        texts = _text_queries(items, choose_tuning_queries(items.num_rows, config), config.seed)
        queries = load_encoder(model).encode_texts(texts)
        with accelerator(), track("build-index", "building the index") as progress:
            built = build_index(vectors, queries, config, progress=progress)
        save_index(built, folder / "index.faiss")
        questions = self_test.write_self_test(vectors, hashes, queries, folder)
        shutil.copy(fetch(store, catalog, only=["items.parquet"]) / "items.parquet", folder)
        summary = {
            "kind": built.kind,
            "factory": built.factory,
            "search_params": built.search_params,
            "items": items.num_rows,
            "dim": int(vectors.shape[1]),
            **built.figures,
        }
        rows = {"index.faiss": items.num_rows, "items.parquet": items.num_rows, self_test.FILE: questions}
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


def _text_queries(items: pa.Table, count: int, seed: int) -> list[str]:
    """What people type: captions of every kind, of products held out of training where there are any."""
    held_out = items.filter(pc.is_in(items["split"], value_set=pa.array(["val", "test"])))
    captions = (held_out if held_out.num_rows else items)["captions"]
    texts = sorted({text for chunk in captions.chunks for text in chunk.items.unique().to_pylist()})
    random.Random(seed).shuffle(texts)
    return texts[:count]


def _show(manifest: Manifest) -> None:
    rows = "\n".join(f"| {name} | {_words(value)} |" for name, value in manifest.summary.items())
    show_markdown(
        "index", f"# Index `{manifest.id}`\n\n| what | value |\n|---|---|\n{rows}", "Kind, recall and latency"
    )


def _words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
