"""Delete what no release needs any more, a grace after it was found unneeded. Scheduled; by hand it only tells.

python -m flows.collect_garbage
python -m flows.collect_garbage --no-dry_run
"""

from typing import Any

from prefect import flow

from flows.run_names import run_name
from tasks.collect_garbage import collect_garbage as collect_garbage_task
from tasks.schema.command import run_from_terminal
from tasks.store.garbage.config import GarbageConfig


@flow(name="collect_garbage", flow_run_name=run_name(lambda config: "dry run" if config.dry_run else ""))
def collect_garbage(config: GarbageConfig = GarbageConfig()) -> dict[str, Any]:  # noqa: B008
    """One pass over the store: mark what nothing needs, delete what was marked a grace ago and still is unneeded."""
    return collect_garbage_task(config)


if __name__ == "__main__":
    run_from_terminal(collect_garbage, GarbageConfig)
