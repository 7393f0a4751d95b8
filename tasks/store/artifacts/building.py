"""The one way to make an artifact whose id follows from its parents and parameters: find it, or make it and commit."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.schema.manifest import ArtifactRef, Kind, Manifest, artifact_id
from tasks.store.artifacts.claims import claim_artifact
from tasks.store.artifacts.commit import commit
from tasks.store.objects.store import Store


@dataclass(frozen=True)
class Build:
    """An artifact that is stored (``reused``), or whose files are made in ``folder``, which starts empty."""

    store: Store
    ref: ArtifactRef
    recipe: int
    parents: Mapping[str, ArtifactRef]
    parameters: Mapping[str, Any]
    reused: Manifest | None
    folder: Path

    def commit(self, summary: Mapping[str, Any], rows: Mapping[str, int] | None = None) -> Manifest:
        """Store the files of ``folder`` as the artifact; see `tasks.store.artifacts.commit.commit`."""
        return commit(
            self.store,
            self.ref.kind,
            self.ref.id,
            self.folder,
            recipe=self.recipe,
            parents=self.parents,
            parameters=self.parameters,
            summary=summary,
            rows=rows,
        )


@contextmanager
def building(
    store: Store,
    kind: Kind,
    recipe: int,
    parents: Mapping[str, ArtifactRef],
    parameters: Mapping[str, Any],
    refresh: bool = False,
) -> Iterator[Build]:
    """Yield the Build of the artifact made of these. A stored one is reused and claimed, unless ``refresh``.

    Raises ArtifactCorrupt, BeingCollected.
    """
    ref = ArtifactRef(kind=kind, id=artifact_id(kind, dict(parents), dict(parameters), recipe))
    reused = None if refresh else claim_artifact(store, ref)
    with tempfile.TemporaryDirectory() as scratch:
        yield Build(store, ref, recipe, parents, parameters, reused, Path(scratch))
