"""Task: turn a name an operator types ('latest', an id) into a reference to a stored artifact."""

from tasks.policies import io_task
from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Kind
from tasks.store.artifacts import list_artifacts, load_manifest
from tasks.store.store import open_store


@io_task(name="find", task_run_name="find-{kind}-{name}")
def find_artifact(kind: Kind, name: str) -> ArtifactRef:
    """Reference to the artifact called ``name``, or to the newest of its kind for 'latest'.

    Raises ArtifactMissing naming what is stored.
    """
    store = open_store()
    if name != "latest":
        return load_manifest(store, ArtifactRef(kind=kind, id=name)).ref
    stored = list_artifacts(store, kind)
    if not stored:
        raise ArtifactMissing(
            f"The store {store.root} holds no {kind} yet (looked in {FOLDERS[kind]}/). "
            f"Run the flow that makes one, or the whole pipeline."
        )
    return stored[0].ref
