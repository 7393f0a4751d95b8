"""Tasks: store the pretrained model, and fine-tune it so that a killed run continues from its last saved step."""

from tasks.clip.config import FinetuneConfig, ModelConfig
from tasks.orchestration.policies import accelerator, compute_task
from tasks.orchestration.run_artifacts import show_figures, show_reused, show_svg, track
from tasks.schema.manifest import ArtifactRef
from tasks.stages import training
from tasks.store.artifacts.building import building
from tasks.store.objects.store import open_store


@compute_task(task_run_name="load_pretrained-{config.pretrained}")
def load_pretrained(config: ModelConfig) -> ArtifactRef:
    """Store the pretrained weights as a model that open_clip loads itself; a model id in the store is taken as is."""
    return training.load_pretrained(open_store(), config)


@compute_task()
def finetune(baseline: ArtifactRef, catalog: ArtifactRef, config: FinetuneConfig, refresh: bool = False) -> ArtifactRef:
    """Fine-tune ``baseline`` on the catalogue's train split; val chooses the best checkpoint."""
    from tasks.report.figures import training_curves

    parents, parameters = {"base": baseline, "catalog": catalog}, config.model_dump(mode="json")
    with building(open_store(), "model", training.RECIPE, parents, parameters, refresh) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        with accelerator(), track("finetune", "fine-tuning") as progress:
            manifest, figures = training.finetune(build, baseline, catalog, config, progress)
    show_svg("training-curves", training_curves(figures), "Loss and val recall")
    show_figures("model", f"Model `{manifest.id}`", training.headline(figures), "How the training went")
    return manifest.ref
