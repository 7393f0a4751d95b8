"""Models: pretrained weights stored as one, and fine-tuning, which continues from a checkpoint where it was killed."""

import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.clip.config import FinetuneConfig, ModelConfig
from tasks.schema.manifest import ArtifactRef, Manifest, artifact_id, canonical_json
from tasks.schema.progress import Progress
from tasks.store.artifacts.building import Build
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.claims import claim_artifact
from tasks.store.artifacts.commit import commit, delete_artifact
from tasks.store.artifacts.images import read_images
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.store import Store

if TYPE_CHECKING:
    from tasks.clip.data import TrainingData

RECIPE = 1
_CHECKPOINT = 2  # raised when a run cannot go on from a checkpoint of the code before
_log = logging.getLogger(__name__)


def load_pretrained(store: Store, config: ModelConfig) -> ArtifactRef:
    """Store the pretrained weights as a model that open_clip loads itself; a model id in the store is taken as is."""
    parameters = config.model_dump(mode="json")
    stored = _stored_model(store, config.pretrained, parameters)
    if stored:
        return stored
    from tasks.clip.pretrained import materialise

    with tempfile.TemporaryDirectory() as scratch:
        card = materialise(config.pretrained, Path(scratch), seed=config.seed)
        # The id follows from the weights, so that a changed file under the same name is another model.
        ref = ArtifactRef(kind="model", id=artifact_id("model", {}, {"weights": card["weights_sha256"]}, RECIPE))
        if claim_artifact(store, ref):
            return ref
        return commit(
            store, "model", ref.id, Path(scratch), recipe=RECIPE, parents={}, parameters=parameters, summary=card
        ).ref


def _stored_model(store: Store, spec: str, parameters: dict[str, Any]) -> ArtifactRef | None:
    """The model of this id, or the one that these parameters gave before (unless they name a local file)."""
    if re.fullmatch(r"[0-9a-f]{16}", spec):
        manifest = claim_artifact(store, ArtifactRef(kind="model", id=spec))
        return manifest.ref if manifest else None
    if "=" in spec or spec.startswith("local-dir:") or Path(spec).exists():
        return None
    stored = list_artifacts(store, "model")
    same = (manifest.ref for manifest in stored if manifest.parameters == parameters)
    return next((ref for ref in same if claim_artifact(store, ref)), None)


def finetune(
    build: Build, baseline: ArtifactRef, catalog: ArtifactRef, config: FinetuneConfig, progress: Progress
) -> tuple[Manifest, dict[str, Any]]:
    """Fine-tune ``baseline`` on the catalogue's train split; val chooses the best checkpoint. Returns the log too."""
    from tasks.clip import finetune as clip

    store, model = build.store, build.ref
    log = clip.finetune(
        fetch(store, baseline),
        _training_data(store, catalog, "train"),
        _training_data(store, catalog, "val"),
        config,
        build.folder,
        resume=_last_checkpoint(store, model),
        save=lambda folder, step: _save_checkpoint(store, model, folder, step),
        progress=progress,
    )
    figures = log.model_dump(mode="json")
    (build.folder / "training_log.json").write_text(canonical_json(figures))
    name = load_manifest(store, baseline).summary.get("name")
    manifest = build.commit({"name": name, "base": baseline.id, **headline(figures)})
    for checkpoint in _checkpoints(store, model):
        delete_artifact(store, checkpoint)
    return manifest, figures


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """The plain values of a training log, without its curves."""
    return {name: value for name, value in figures.items() if isinstance(value, (int, float, str, bool))}


def _training_data(store: Store, catalog: ArtifactRef, split: str) -> "TrainingData":
    from tasks.clip.data import TrainingData

    columns = ["split", "captions", "group_id", "image_sha256"]
    rows = fetch_table(store, catalog, "items.parquet", columns=columns).to_pylist()
    rows = [row for row in rows if row["split"] == split]
    return TrainingData(
        captions=[dict(row["captions"]) for row in rows],
        images=list(read_images(store, [row["image_sha256"] for row in rows])),
        groups=[row["group_id"] for row in rows],
    )


def _checkpoints(store: Store, model: ArtifactRef) -> list[ArtifactRef]:
    """Finished checkpoints of a model in training, oldest first. The step is in the id."""
    found = [manifest.ref for manifest in list_artifacts(store, "checkpoint")]
    return sorted((ref for ref in found if ref.id.startswith(f"{model.id}.")), key=lambda ref: ref.id)


def _last_checkpoint(store: Store, model: ArtifactRef) -> Path | None:
    saved = _checkpoints(store, model)
    manifest = claim_artifact(store, saved[-1]) if saved else None
    if manifest is None or manifest.recipe != _CHECKPOINT:
        return None
    _log.info("Going on from checkpoint %s", saved[-1].id)
    return fetch(store, saved[-1])


def _save_checkpoint(store: Store, model: ArtifactRef, folder: Path, step: int) -> None:
    older = _checkpoints(store, model)
    checkpoint = f"{model.id}.{step:08d}"
    commit(
        store,
        "checkpoint",
        checkpoint,
        folder,
        recipe=_CHECKPOINT,
        parents={},
        parameters={"model": model.id, "step": step},
        summary={},
    )
    for ref in older:
        if ref.id != checkpoint:
            delete_artifact(store, ref)
