"""End everything the stack started on this machine: `make stop`."""

import argparse

from deployments.processes import Processes
from deployments.settings import StackSettings
from deployments.stack import stop_stack
from deployments.terminal import console

#: Commands that hold the stack in the foreground and clean up after themselves on SIGTERM.
_OWNERS = ("demo", "pipeline")
_SECONDS = 60.0


def main() -> None:
    """Stop the stack and say what was stopped."""
    argparse.ArgumentParser(prog="python -m deployments.stop", description=__doc__).parse_args()
    settings = StackSettings()
    processes = Processes(settings.var, "stop")
    with console.status("stopping"):
        stopped = [owner for owner in _OWNERS if processes.stop(owner, _SECONDS)]
        stopped += stop_stack(settings)
    left = processes.leftovers()
    if left:
        raise SystemExit(f"could not end processes {left}: end them by hand")
    console.print(f"Stopped: {', '.join(stopped)}" if stopped else "Nothing was running.")


if __name__ == "__main__":
    main()
