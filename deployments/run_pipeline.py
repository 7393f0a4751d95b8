"""Every step once, then the figures; no service keeps running: `make pipeline`.

CATALOG=path/to/products.csv python -m deployments.run_pipeline
python -m deployments.run_pipeline --index.kind flat        # any flag of `python -m flows.pipeline`
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape

from deployments.environment import api_url, stack_environment
from deployments.processes import Running, ServiceFailed
from deployments.settings import StackSettings
from deployments.shop import SAMPLE_ITEMS, check_catalog, check_flags, chosen_shop, pipeline_config
from deployments.stack import AlreadyRunning, LocalStack, only_one, stops_are_interrupts, undisturbed
from deployments.terminal import Stages, console, summary_table

_SECONDS_FOR_SERVER = 120.0
_STAGES = 3


@contextmanager
def _own_server(settings: StackSettings, stages: Stages) -> Iterator[dict[str, str]]:
    """The environment of a Prefect server that lives as long as this command. Its history stays for the next one."""
    with only_one(settings, "pipeline"):
        stack = LocalStack(settings, "pipeline")
        try:
            with stages.stage("Prefect server") as stage:
                server = stack.start_prefect()
                stack.processes.wait_until_ready(
                    server, _SECONDS_FOR_SERVER, lambda elapsed: stage.now(f"{elapsed:.0f} s")
                )
                stage.note = "for this run only"
            yield stack.environment
        finally:
            with undisturbed():
                stack.stop()


@contextmanager
def _server(settings: StackSettings, stages: Stages) -> Iterator[dict[str, str]]:
    """The environment of the stack's server if the demo is running, else of one for this command."""
    try:
        with _own_server(settings, stages) as environment:
            yield environment
    except AlreadyRunning as error:
        server = _demo_server(error)
        with stages.stage("Prefect server") as stage:
            stage.note = f"the one that is on: {server.url}"
        port = int(server.url.rpartition(":")[2])
        yield stack_environment(settings, port) | {"PREFECT_API_URL": api_url(port, settings.host)}


def _demo_server(error: AlreadyRunning) -> Running:
    for service in error.services:
        if service.name == "prefect" and service.owner == "demo":
            return service
    raise SystemExit(f"The stack is running already: {error}. Wait for it, or end it with `make stop`.")


def run(settings: StackSettings, catalog: str, items: int, flags: list[str]) -> int:
    """Run the pipeline in this process and print what each step made. Returns the exit code."""
    stages = Stages(_STAGES)
    source = chosen_shop(stages, settings, catalog, items)
    with _server(settings, stages) as environment:
        os.environ.update(environment)  # before Prefect is imported, which reads its settings once
        return _run(stages, settings, source, flags)


def _run(stages: Stages, settings: StackSettings, source: str, flags: list[str]) -> int:
    from prefect.client.orchestration import get_client
    from prefect.logging.handlers import APILogHandler

    from deployments.apply import set_limits
    from flows.pipeline import pipeline
    from tasks.schema.errors import ProductSearchError

    config = pipeline_config(settings, source, flags)
    with get_client(sync_client=True) as client:
        set_limits(client, settings)
    try:
        with stages.stage("Pipeline", live=False):
            result = pipeline(config)
    except ProductSearchError as error:
        console.print(f"[red]{type(error).__name__}:[/] {escape(str(error))}")
        return 1
    finally:
        APILogHandler().flush()  # the server ends next: what is still queued would be lost with a warning
    console.print(summary_table(result["summary"]))
    if report := result.get("report"):
        console.print("Report:", escape(str(report)))
    return 0


def main() -> None:
    """Run the pipeline; exit code 0 only if every step completed."""
    check_flags(sys.argv[1:])
    catalog = check_catalog(os.environ.get("CATALOG", ""))
    items = int(os.environ.get("ITEMS") or SAMPLE_ITEMS)
    try:
        with stops_are_interrupts():
            raise SystemExit(run(StackSettings(), catalog, items, sys.argv[1:]))
    except ServiceFailed as error:
        console.print(f"[red]{escape(str(error))}[/]")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("Stopped. Start it again: finished steps are not repeated.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
