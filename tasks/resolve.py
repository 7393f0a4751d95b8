"""Task: turn a name an operator types ('latest', an id) into a reference to a stored artifact."""

from tasks.orchestration.policies import io_task
from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Kind
from tasks.store.artifacts.claims import claim_artifact
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.store import open_store


@io_task(task_run_name="resolve-{kind}-{name}")
def resolve(kind: Kind, name: str) -> ArtifactRef:
    """Reference to the artifact called ``name``, or to the newest of its kind for 'latest'.

    Raises ArtifactMissing naming what is stored.
    """
    store = open_store()
    if name != "latest":
        ref = ArtifactRef(kind=kind, id=name)
        return (claim_artifact(store, ref) or load_manifest(store, ref)).ref
    for manifest in list_artifacts(store, kind):
        if claim_artifact(store, manifest.ref):  # claimed, so that it stays until the flow is done with it
            return manifest.ref
    raise ArtifactMissing(
        f"The store {store.root} holds no {kind} yet (looked in {FOLDERS[kind]}/). "
        f"Run the flow that makes one, or the whole pipeline."
    )
