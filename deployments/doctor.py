"""Check this machine and say what to do about each finding: `make doctor`. Exit code 1 if anything failed."""

import os
import tempfile
from pathlib import Path

from rich.table import Table

from deployments import checks
from deployments.environment import absolute
from deployments.ports import free_port
from deployments.processes import ServiceFailed
from deployments.settings import StackSettings
from deployments.stack import LocalStack, stops_are_interrupts, undisturbed
from deployments.terminal import console

_SECONDS_FOR_SERVER = 120.0
_SECONDS_TO_SCHEDULE = 70.0
_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


def examine(settings: StackSettings) -> list[checks.Finding]:
    """Every check, with a real Prefect server over an empty folder for the last two."""
    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:
        update = {"var": Path(folder), "prefect_port": free_port(0), "app_port": free_port(0)}
        stack = LocalStack(settings.model_copy(update=update), "doctor")
        try:
            server = stack.start_prefect()  # first: it takes seconds, and the other checks run meanwhile
            findings = _examine_machine(settings)
            try:
                seconds = stack.processes.wait_until_ready(server, _SECONDS_FOR_SERVER)
            except ServiceFailed as error:
                action = "compare the versions with constraints.txt: make setup"
                return [*findings, checks.Finding("Prefect server", "FAIL", str(error)[-600:], action)]
            findings.append(checks.Finding("Prefect server", "OK", f"started {seconds:.0f} s after the other checks"))
            return [*findings, _check_schedule(stack)]
        finally:
            with undisturbed():
                stack.stop()


def _examine_machine(settings: StackSettings) -> list[checks.Finding]:
    os.environ["STORE_URI"] = absolute(os.environ.get("STORE_URI") or str(settings.var / "store"))
    return [
        checks.check_python(),
        checks.check_packages(),
        checks.check_faiss(),
        checks.check_torch(),
        *checks.check_ports(settings),
        checks.check_store(),
        *checks.check_ray(),
        checks.check_disk(settings),
        checks.check_browser(),
    ]


def _check_schedule(stack: LocalStack) -> checks.Finding:
    os.environ.update(stack.environment)  # before Prefect is imported, which reads its settings once
    from prefect.client.orchestration import get_client

    from deployments.scheduling import probe_schedule

    with get_client(sync_client=True) as client:
        planned, seconds = probe_schedule(client, _SECONDS_TO_SCHEDULE)
    if planned == 0:
        found = f"a cron schedule gave no run within {seconds:.0f} s: nightly runs would never start"
        return checks.Finding("Schedules", "FAIL", found, "sqlalchemy must be below 2.1 for prefect 3.8.8: make setup")
    return checks.Finding("Schedules", "OK", f"a cron schedule planned {planned} runs within {seconds:.0f} s")


def main() -> None:
    """Print the table."""
    with stops_are_interrupts(), console.status("examining, about 20 s"):
        findings = examine(StackSettings())
    table = Table("", "Check", "Found", "Next action")
    for finding in findings:
        colour = _COLOURS[finding.verdict]
        table.add_row(f"[{colour}]{finding.verdict}[/]", finding.name, finding.found, finding.action)
    console.print(table)
    if any(finding.verdict == "FAIL" for finding in findings):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
