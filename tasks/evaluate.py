"""Tasks: measure one model on one split, and report what was measured, beside a baseline if there is one."""

from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_markdown, show_reused
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.manifest import ArtifactRef
from tasks.stages import evaluation, reporting
from tasks.store.artifacts.building import building
from tasks.store.objects.store import open_store


@compute_task(task_run_name="measure-{split}")
def measure(
    model: ArtifactRef, catalog: ArtifactRef, split: str, config: EvaluationConfig, refresh: bool = False
) -> ArtifactRef:
    """Text->image and image->text metrics of one model on one split, and those of every other query type."""
    parents = {"model": model, "catalog": catalog}
    parameters = {**config.model_dump(mode="json"), "split": split}
    with building(open_store(), "evaluation", evaluation.RECIPE, parents, parameters, refresh) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        return evaluation.measure(build, model, catalog, split, config).ref


@compute_task()
def report(
    measured: list[ArtifactRef],
    baseline: list[ArtifactRef],
    catalog: ArtifactRef,
    config: EvaluationConfig,
    refresh: bool = False,
) -> ArtifactRef:
    """One self-contained page. ``measured[i]`` and ``baseline[i]`` are of the same split; ``baseline`` may be empty."""
    parents = {f"model_{row}": ref for row, ref in enumerate(measured)}
    parents |= {f"baseline_{row}": ref for row, ref in enumerate(baseline)} | {"catalog": catalog}
    with building(
        open_store(), "evaluation", reporting.RECIPE, parents, config.model_dump(mode="json"), refresh
    ) as build:
        if build.reused:
            return show_reused(build.store, build.reused)
        table = reporting.report(build, measured, baseline, catalog, config)
        page = build.store.url(f"{build.ref.folder}/report.html")
    show_markdown("evaluation", f"{table}\n\nFull report: [{page}]({page})", "How well the model retrieves")
    return build.ref
