"""Task: train the category head over stored image embeddings."""

from tasks.classifier.config import ClassifierConfig
from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_figures, show_reused, show_svg, show_table, track
from tasks.schema.manifest import ArtifactRef
from tasks.stages import classification
from tasks.store.artifacts.building import building
from tasks.store.objects.store import open_store


@compute_task()
def train_classifier(
    model: ArtifactRef, catalog: ArtifactRef, config: ClassifierConfig, refresh: bool = False
) -> ArtifactRef:
    """Learn ``category_l1`` from the train split, choose on val, report on test."""
    parents, parameters = {"model": model, "catalog": catalog}, config.model_dump(mode="json")
    with building(open_store(), "classifier", classification.RECIPE, parents, parameters, refresh) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        with track("train-classifier", "training the category head") as progress:
            trained = classification.train_classifier(build, model, catalog, config, progress)
    show_figures("classifier", f"Classifier `{build.ref.id}`", trained.manifest.summary, "How good it is")
    show_table("per-class-f1", trained.per_class, "Precision, recall and F1 of each class")
    for name, svg in trained.figures.items():
        show_svg(name, svg, name.replace("-", " "))
    return build.ref
