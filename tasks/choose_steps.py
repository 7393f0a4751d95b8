"""Tasks: say which optional steps a catalogue allows, before the expensive ones."""

from prefect.logging import get_run_logger

from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import FinetuneConfig
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.schema.manifest import ArtifactRef
from tasks.stages import choosing
from tasks.stages.choosing import Steps
from tasks.store.objects.store import open_store


@io_task()
def choose_steps(catalog: ArtifactRef, training: FinetuneConfig | None, classifier: ClassifierConfig | None) -> Steps:
    """The steps of a pipeline that can be done; what cannot is left out, and named at the run with its reason."""
    steps = choosing.choose_steps(open_store(), catalog, training, classifier)
    for note in steps.notes:
        get_run_logger().warning("Left out: %s", note)
    if steps.notes:
        show_table("left-out", [{"left out": note} for note in steps.notes], "What this catalogue has too little for")
    return steps


@io_task()
def require_classes(catalog: ArtifactRef, config: ClassifierConfig) -> None:
    """Raise ConfigError where no classifier can be trained on the catalogue. See `choosing.require_classes`."""
    choosing.require_classes(open_store(), catalog, config)
