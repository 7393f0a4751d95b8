"""Tasks: build the FAISS index over stored vectors, and the word index."""

from tasks.lexical.config import LexicalConfig
from tasks.orchestration.policies import accelerator, compute_task
from tasks.orchestration.run_artifacts import show_figures, show_reused, track
from tasks.retrieval.config import IndexConfig
from tasks.schema.manifest import ArtifactRef
from tasks.stages import indexing
from tasks.store.artifacts.building import building
from tasks.store.objects.store import open_store


@compute_task()
def build_index(model: ArtifactRef, catalog: ArtifactRef, config: IndexConfig, refresh: bool = False) -> ArtifactRef:
    """Index every item of the catalogue: row i of the index is row i of the ``items.parquet`` beside it."""
    parents, parameters = {"model": model, "catalog": catalog}, config.model_dump(mode="json")
    with building(open_store(), "index", indexing.RECIPE, parents, parameters, refresh) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        with accelerator(), track("build-index", "building the index") as progress:
            manifest = indexing.build_index(build, model, catalog, config, progress)
    show_figures("index", f"Index `{manifest.id}`", manifest.summary, "Kind, recall and latency")
    return manifest.ref


@compute_task()
def build_lexical(catalog: ArtifactRef, config: LexicalConfig, refresh: bool = False) -> ArtifactRef:
    """Index the words of every item of the catalogue: row i is row i of its ``items.parquet``."""
    parents, parameters = {"catalog": catalog}, config.model_dump(mode="json")
    with building(open_store(), "lexical", indexing.LEXICAL_RECIPE, parents, parameters, refresh) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        manifest = indexing.build_lexical(build, catalog, config)
    show_figures("lexical", f"Word index `{manifest.id}`", manifest.summary, "Products, words and languages")
    return manifest.ref
