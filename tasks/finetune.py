"""Tasks: store the pretrained model, and fine-tune it so that a killed run goes on from its last saved step."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.logging import get_run_logger

from tasks.clip.config import FinetuneConfig, ModelConfig
from tasks.orchestration.policies import accelerator, compute_task
from tasks.orchestration.run_artifacts import show_figure, show_markdown, show_reused, track
from tasks.schema.manifest import ArtifactRef, artifact_id, canonical_json
from tasks.store.artifacts import artifacts
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.images import read_pictures
from tasks.store.objects.store import Store, open_store

if TYPE_CHECKING:
    from tasks.clip.data import TrainingData

RECIPE = 1
_CHECKPOINT = 2  # raised when a run cannot go on from a checkpoint of the code before


@compute_task(name="load-pretrained", task_run_name="load-pretrained-{config.pretrained}")
def load_pretrained(config: ModelConfig) -> ArtifactRef:
    """Store the pretrained weights as a model that open_clip loads itself; a model id in the store is taken as is."""
    store = open_store()
    parameters = config.model_dump(mode="json")
    stored = _stored_model(store, config.pretrained, parameters)
    if stored:
        return stored
    from tasks.clip.pretrained import materialise

    with tempfile.TemporaryDirectory() as scratch:
        card = materialise(config.pretrained, Path(scratch), seed=config.seed)
        # The id follows from the weights, so that a changed file under the same name is another model.
        model_id = artifact_id("model", {}, {"weights": card["weights_sha256"]}, RECIPE)
        return artifacts.commit(
            store, "model", model_id, Path(scratch), recipe=RECIPE, parents={}, parameters=parameters, summary=card
        ).ref


def _stored_model(store: Store, spec: str, parameters: dict[str, Any]) -> ArtifactRef | None:
    """The model of this id, or the one that these parameters gave before (unless they name a local file)."""
    if re.fullmatch(r"[0-9a-f]{16}", spec):
        manifest = artifacts.find(store, ArtifactRef(kind="model", id=spec))
        return manifest.ref if manifest else None
    if "=" in spec or spec.startswith("local-dir:") or Path(spec).exists():
        return None
    stored = artifacts.list_artifacts(store, "model")
    same = (manifest.ref for manifest in stored if manifest.parameters == parameters)
    return next((ref for ref in same if artifacts.find(store, ref)), None)  # find claims it


@compute_task(name="finetune")
def train(baseline: ArtifactRef, catalog: ArtifactRef, config: FinetuneConfig, refresh: bool = False) -> ArtifactRef:
    """Fine-tune ``baseline`` on the catalogue's train split; val chooses the best checkpoint."""
    store = open_store()
    parents = {"base": baseline, "catalog": catalog}
    parameters = config.model_dump(mode="json")
    ref = ArtifactRef(kind="model", id=artifact_id("model", parents, parameters, RECIPE))
    if not refresh and (stored := artifacts.find(store, ref)):
        show_reused(store, stored)
        return ref
    from tasks.clip.finetune import finetune

    with tempfile.TemporaryDirectory() as scratch, accelerator():
        with track("finetune", "fine-tuning") as progress:
            log = finetune(
                fetch(store, baseline),
                _training_data(store, catalog, "train"),
                _training_data(store, catalog, "val"),
                config,
                Path(scratch),
                resume=_last_checkpoint(store, ref),
                save=lambda folder, step: _save_checkpoint(store, ref, folder, step),
                progress=progress,
            )
        figures = log.model_dump(mode="json")
        (Path(scratch) / "training_log.json").write_text(canonical_json(figures))
        base = artifacts.load_manifest(store, baseline).summary
        summary = {"name": base.get("name"), "base": baseline.id, **_headline(figures)}
        manifest = artifacts.commit(
            store,
            "model",
            ref.id,
            Path(scratch),
            recipe=RECIPE,
            parents=parents,
            parameters=parameters,
            summary=summary,
        )
    _forget_checkpoints(store, ref)
    _show(manifest.ref, figures)
    return manifest.ref


def _headline(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if isinstance(value, (int, float, str, bool))}


def _training_data(store: Store, catalog: ArtifactRef, split: str) -> "TrainingData":
    from tasks.clip.data import TrainingData

    columns = ["split", "captions", "group_id", "image_sha256"]
    rows = fetch_table(store, catalog, "items.parquet", columns=columns).to_pylist()
    rows = [row for row in rows if row["split"] == split]
    return TrainingData(
        captions=[dict(row["captions"]) for row in rows],
        images=list(read_pictures(store, [row["image_sha256"] for row in rows])),
        groups=[row["group_id"] for row in rows],
    )


def _checkpoints(store: Store, model: ArtifactRef) -> list[ArtifactRef]:
    """Finished checkpoints of a model in training, oldest first. The step is in the id."""
    found = [manifest.ref for manifest in artifacts.list_artifacts(store, "checkpoint")]
    return sorted((ref for ref in found if ref.id.startswith(f"{model.id}.")), key=lambda ref: ref.id)


def _last_checkpoint(store: Store, model: ArtifactRef) -> Path | None:
    saved = _checkpoints(store, model)
    manifest = artifacts.find(store, saved[-1]) if saved else None
    if manifest is None or manifest.recipe != _CHECKPOINT:
        return None
    get_run_logger().info("Going on from checkpoint %s", saved[-1].id)
    return fetch(store, saved[-1])


def _save_checkpoint(store: Store, model: ArtifactRef, folder: Path, step: int) -> None:
    older = _checkpoints(store, model)
    checkpoint = f"{model.id}.{step:08d}"
    artifacts.commit(
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
            artifacts.delete_artifact(store, ref)


def _forget_checkpoints(store: Store, model: ArtifactRef) -> None:
    for ref in _checkpoints(store, model):
        artifacts.delete_artifact(store, ref)


def _show(model: ArtifactRef, figures: dict[str, Any]) -> None:
    from tasks.report.figures import data_uri, training_curves

    show_figure("training-curves", data_uri(training_curves(figures), "image/svg+xml"), "Loss and val recall")
    rows = "\n".join(f"| {name} | {value} |" for name, value in _headline(figures).items())
    show_markdown("model", f"# Model `{model.id}`\n\n| what | value |\n|---|---|\n{rows}", "How the training went")
