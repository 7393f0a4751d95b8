"""The model of a release as a folder ready for the Hugging Face hub: OpenCLIP's files and a model card."""

from pathlib import Path
from typing import Any

from tasks.schema.errors import ArtifactMissing
from tasks.schema.evaluation import current_keys
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.manifests import find_manifest, load_manifest
from tasks.store.objects.store import Store, parse_json
from tasks.store.releases.releases import read_release

_GENERATIONS = 1000  # looked back for the release that brought the model: years of nights


def write_hub_folder(store: Store, release: Release, license_id: str, out: Path) -> None:
    """Write the model and its card into ``out``. Raises ModelUnavailable, and as `fetch`."""
    from tasks.clip import portable
    from tasks.clip.folder import read_config
    from tasks.report.model_card import CardFacts, render_model_card

    model = fetch(store, release.model)
    card = read_config(model).get("card", {})
    measured = read_evaluation(store, release)
    facts = CardFacts(
        release=release.id,
        license=license_id,
        model=card,
        base=portable.base_model(card.get("spec", "")),
        training=_training(store, release),
        metrics=measured.get("model", ()),
        baseline=measured.get("baseline", ()),
        differences=measured.get("differences", {}),
        gates=release.gates,
        notes=release.notes,
    )
    out.mkdir()
    portable.write_hub_folder(model, out)
    (out / "README.md").write_text(render_model_card(facts), encoding="utf-8")


def read_evaluation(store: Store, release: Release) -> dict[str, Any]:
    """{"model": [metrics of a split], "baseline": [...], "differences": {...}} of a release's model; empty if none.

    A night measures nothing, for the model stays: its figures are those of the release that brought it.
    """
    try:
        report = _report(store, release)
        path = fetch(store, report, only=["metrics.json"]) / "metrics.json" if report else None
    except ArtifactMissing:  # a release of before, which no claim holds
        return {}
    found: dict[str, Any] = current_keys(parse_json(path.read_bytes(), str(path))) if path else {}
    return found


def _report(store: Store, release: Release) -> ArtifactRef | None:
    model = release.model
    for _ in range(_GENERATIONS):
        if release.model == model and "report" in release.evaluations:
            return release.evaluations["report"]
        if release.parent is None:
            break
        release = read_release(store, release.parent)
    return None


def _training(store: Store, release: Release) -> dict[str, Any]:
    """Counts of the training, empty for weights that were taken as they are."""
    manifest = load_manifest(store, release.model)
    if "base" not in manifest.parents:
        return {}
    catalog = find_manifest(store, manifest.parents["catalog"])
    groups = {"groups": catalog.summary["groups"]} if catalog and "groups" in catalog.summary else {}
    return {name: manifest.summary[name] for name in ("items", "batch_size", "steps", "best_step")} | groups
