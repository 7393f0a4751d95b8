"""The whole product on this machine: `make demo`.

python -m deployments.demo                                 # the sample shop
python -m deployments.demo --catalog path/to/products.csv  # your own
"""

import argparse
import os
import time
from dataclasses import replace
from typing import Any

from rich.markup import escape

from deployments.processes import Service, ServiceFailed
from deployments.settings import OPS_POOL, StackSettings
from deployments.shop import SAMPLE_ITEMS, check_catalog, check_flags, chosen_shop, pipeline_config
from deployments.stack import AlreadyRunning, LocalStack, only_one, stops_are_interrupts, undisturbed
from deployments.terminal import Stages, console, summary_table

_SECONDS_FOR_SERVER = 120.0
_SECONDS_FOR_PAGE = 120.0
_STAGES = 5


def demo(settings: StackSettings, arguments: argparse.Namespace, flags: list[str]) -> int:
    """Start everything, run the pipeline, print the page's address, and stay until stopped. Returns the exit code."""
    stack = LocalStack(settings, "demo")
    os.environ.update(stack.environment)  # before Prefect is imported, which reads its settings once
    keep = False
    try:
        code = _bring_up(stack, arguments, flags)
        if arguments.once:
            return code
        if arguments.detach and code == 0:
            keep = True
            console.print("Everything keeps running. To stop it: [bold]make stop[/]")
            return code
        if code == 0 or console.is_terminal:
            console.print("Press [bold]Ctrl-C[/] to stop (or `make stop` elsewhere).")
            _stay(stack)
        return code
    except KeyboardInterrupt:
        console.print()
        return code if "code" in locals() else 130
    finally:
        if not keep:
            with undisturbed(), console.status(f"stopping; a run may go on for {settings.drain_seconds:g} s"):
                stack.stop()
            console.print("Stopped; what was made stays in", escape(str(settings.var)))


def _bring_up(stack: LocalStack, arguments: argparse.Namespace, flags: list[str]) -> int:
    stages = Stages(_STAGES)
    _say_ports(stack)
    server = stack.start_prefect()
    page = stack.start_app()
    source = chosen_shop(stages, stack.settings, arguments.catalog, arguments.items)
    config = pipeline_config(stack.settings, source, flags)
    with stages.stage("Prefect server") as stage:
        stack.processes.wait_until_ready(server, _SECONDS_FOR_SERVER, lambda elapsed: stage.now(f"{elapsed:.0f} s"))
        stage.note = stack.prefect_url
    _deploy(stages, stack, operations=not arguments.once)
    code = _run_pipeline(stages, stack, config.model_dump(mode="json"))
    if code == 0:
        _show_page(stages, stack, replace(page, health=page.health.replace("healthz", "readyz")))
    return code


def _say_ports(stack: LocalStack) -> None:
    for what, wanted, got in (
        ("Prefect", stack.settings.prefect_port, stack.prefect_port),
        ("the page", stack.settings.app_port, stack.app_port),
    ):
        if wanted != got:
            console.print(f"Port {wanted} is in use by another program: {what} takes {got}.")


def _deploy(stages: Stages, stack: LocalStack, operations: bool) -> None:
    from prefect.client.orchestration import get_client

    from deployments.apply import apply, create_pools, wanted_deployments
    from deployments.interrupted import settle_runs

    with stages.stage("Deployments and worker") as stage:
        settle_runs(stack.api_url, "the stack was off")
        with get_client(sync_client=True) as client:
            create_pools(client)
        stack.start_worker()  # it takes seconds to start, while the flows are deployed
        changes = apply(stack.settings, stack.environment)
        if operations:
            stack.start_worker(OPS_POOL)
        stage.note = f"{len(wanted_deployments())} deployments" + ("" if changes else ", as they were")


def _run_pipeline(stages: Stages, stack: LocalStack, config: dict[str, Any]) -> int:
    from prefect.client.orchestration import get_client

    from deployments.follow import Follower, RunFailed

    def check() -> None:
        if name := stack.ended():
            raise ServiceFailed(f"{name} ended.\n{stack.processes.tail(name)}")

    run_url = stack.prefect_url
    try:
        with stages.stage("Pipeline") as stage, get_client(sync_client=True) as client:
            follower = Follower(client, stage.line, stage.now)
            run = follower.start("pipeline/pipeline", {"config": config})
            run_url = f"{stack.prefect_url}/runs/flow-run/{run.id}"
            stage.line(f"[dim]{run_url}[/]")
            follower.follow(run, check)
            rows = follower.summary(run)
    except RunFailed as error:
        console.print(f"[red]The pipeline did not finish:[/] {escape(str(error))}\nThe run, with its logs: {run_url}")
        return 1
    if rows:
        console.print(summary_table(rows))
    return 0


def _show_page(stages: Stages, stack: LocalStack, page: Service) -> None:
    with stages.stage("Search page") as stage:
        stage.now("loading the release")
        stack.processes.wait_until_ready(page, _SECONDS_FOR_PAGE)
    console.print(f"\n  Search page   [bold]{stack.app_url}[/]")
    console.print(f"  Prefect       [bold]{stack.prefect_url}[/]   (runs, schedules, forms to start a flow)\n")


def _stay(stack: LocalStack) -> None:
    while True:
        if name := stack.ended():
            raise ServiceFailed(f"{name} ended by itself.\n{stack.processes.tail(name)}")
        time.sleep(1.0)


def _flags() -> tuple[argparse.Namespace, list[str]]:
    given = {name: os.environ.get(name, "") for name in ("CATALOG", "ITEMS", "PORT", "DETACH")}
    parser = argparse.ArgumentParser(
        prog="python -m deployments.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every other flag is the pipeline's: python -m flows.pipeline --help",
    )  # fmt: skip
    parser.add_argument("--catalog", default=given["CATALOG"], help="ABO folder or csv/tsv/parquet/jsonl; path or URI")
    parser.add_argument(
        "--items", type=int, default=int(given["ITEMS"] or SAMPLE_ITEMS), help="size of the sample shop"
    )
    parser.add_argument("--port", type=int, default=int(given["PORT"] or 0), help="port of the search page")
    parser.add_argument("--once", action="store_true", help="stop everything when the pipeline has run")
    parser.add_argument("--detach", action="store_true", default=given["DETACH"] not in ("", "0"), help="leave it on")
    return parser.parse_known_args()


def main() -> None:
    """Run the demo; exit code 0 only if the pipeline completed."""
    arguments, flags = _flags()
    check_flags(flags)
    arguments.catalog = check_catalog(arguments.catalog)
    settings = StackSettings()
    if arguments.port:
        settings = settings.model_copy(update={"app_port": arguments.port})
    try:
        with stops_are_interrupts(), only_one(settings, "demo"):
            raise SystemExit(demo(settings, arguments, flags))
    except AlreadyRunning as error:
        urls = "\n".join(f"  {service.name:<14} {service.url}" for service in error.services if service.url)
        console.print(f"The stack is running already: {error}\n{urls}\nTo stop it: make stop", markup=False)
        raise SystemExit(0 if urls else 1) from None
    except ServiceFailed as error:
        console.print(f"[red]{escape(str(error))}[/]")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
