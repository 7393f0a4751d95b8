"""Making an artifact inside a task: as the store does it, and a reused one is shown at the run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tasks.orchestration.run_artifacts import show_reused
from tasks.schema.manifest import ArtifactRef, Kind
from tasks.store.artifacts import building as artifacts
from tasks.store.artifacts.building import Build
from tasks.store.objects.store import open_store


@contextmanager
def building(
    kind: Kind,
    recipe: int,
    parents: Mapping[str, ArtifactRef],
    parameters: Mapping[str, Any],
    refresh: bool = False,
) -> Iterator[Build]:
    """See `tasks.store.artifacts.building.building`; the store is the environment's."""
    store = open_store()
    with artifacts.building(store, kind, recipe, parents, parameters, refresh) as build:
        if build.reused:
            show_reused(store, build.reused)
        yield build
