"""Tasks: measure one model on one split, and report what was measured, beside a baseline if there is one."""

from tasks.orchestration.building import building
from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_markdown
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.manifest import ArtifactRef
from tasks.stages import evaluation, reporting


@compute_task(task_run_name="measure-{split}")
def measure(
    model: ArtifactRef, catalog: ArtifactRef, split: str, config: EvaluationConfig, refresh: bool = False
) -> ArtifactRef:
    """Text->image and image->text metrics of one model on one split, and those of every other query type."""
    parents = {"model": model, "catalog": catalog}
    parameters = {**config.model_dump(mode="json"), "split": split}
    with building("evaluation", evaluation.RECIPE, parents, parameters, refresh) as build:
        if not build.reused:
            evaluation.measure(build, model, catalog, split, config)
        return build.ref


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
    with building("evaluation", reporting.RECIPE, parents, config.model_dump(mode="json"), refresh) as build:
        if build.reused:
            return build.ref
        table = reporting.report(build, measured, baseline, catalog, config)
        page = build.store.url(f"{build.ref.folder}/report.html")
    show_markdown("evaluation", f"{table}\n\nFull report: [{page}]({page})", "How well the model retrieves")
    return build.ref
