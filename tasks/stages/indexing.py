"""What answers queries: the FAISS index over stored vectors, and the word index.

Row i of either is row i of the ``items.parquet`` beside the FAISS index, which is the catalogue's.
"""

import random
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.lexical.config import LexicalConfig
from tasks.retrieval.config import IndexConfig
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.schema.progress import Progress
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.building import Build
from tasks.store.artifacts.cache import fetch, fetch_table

RECIPE = 5
LEXICAL_RECIPE = 1


def build_index(
    build: Build, model: ArtifactRef, catalog: ArtifactRef, config: IndexConfig, progress: Progress
) -> Manifest:
    """Build, tune and store the index of every item of the catalogue, with the questions of its self-test."""
    from tasks.retrieval import index, self_test

    store = build.store
    items = fetch_table(store, catalog, "items.parquet", columns=["image_sha256", "split", "captions"])
    hashes = items["image_sha256"].to_pylist()
    queries = load_encoder(model).encode_texts(_text_queries(items, config))
    with tempfile.TemporaryDirectory() as scratch:
        vectors = embeddings.load_vectors(store, model.id, hashes, into=Path(scratch) / "vectors.npy")
        built = index.build_index(vectors, queries, config, progress=progress)
        index.save_index(built, build.folder / "index.faiss")
        questions = self_test.write_self_test(vectors, hashes, queries, build.folder)
        dim = int(vectors.shape[1])
    shutil.copy(fetch(store, catalog, only=["items.parquet"]) / "items.parquet", build.folder)
    facts = {"kind": built.kind, "factory": built.factory, "search_params": built.search_params}
    return build.commit(
        summary={**facts, "items": items.num_rows, "dim": dim, **built.figures},
        rows={"index.faiss": items.num_rows, "items.parquet": items.num_rows, self_test.FILE: questions},
    )


def build_lexical(build: Build, catalog: ArtifactRef, config: LexicalConfig) -> Manifest:
    """Build and store the word index of every item of the catalogue, row by row as in ``items.parquet``."""
    from tasks.lexical.documents import COLUMNS
    from tasks.lexical.index import index_words, save_words

    built = index_words(fetch_table(build.store, catalog, "items.parquet", columns=list(COLUMNS)), config)
    save_words(built, build.folder)
    return build.commit(
        summary={"items": built.rows, "words": len(built.vocabulary.rows), "languages": list(built.languages)}
    )


def _text_queries(items: pa.Table, config: IndexConfig) -> list[str]:
    """What people type: captions of every kind, of products held out of training where there are any."""
    from tasks.retrieval.index import choose_tuning_queries

    held_out = items.filter(pc.is_in(items["split"], value_set=pa.array(["val", "test"])))
    captions = (held_out if held_out.num_rows else items)["captions"]
    texts = sorted({text for chunk in captions.chunks for text in chunk.items.unique().to_pylist()})
    random.Random(config.seed).shuffle(texts)
    return texts[: choose_tuning_queries(items.num_rows, config)]
