"""What worker processes on Ray compute in tests; they import it by name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tasks.schema.errors import CatalogError, StoreUnavailable


def look_around(folder: str, shard: int, given: Any) -> dict[str, Any]:
    """What a worker sees; waits until every shard has a worker of its own, so that none computes two."""
    (Path(folder) / f"shard-{shard}").touch()
    end = time.monotonic() + 60
    while len(list(Path(folder).glob("shard-*"))) < given and time.monotonic() < end:
        time.sleep(0.05)
    return {
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "pid": os.getpid(),
    }


def fail_at(folder: str, shard: int, given: Any) -> int:
    """Note the attempt; then fail as ``given`` names. Returns which attempt it was."""
    with (Path(folder) / f"attempts-{shard}").open("a") as attempts:
        attempts.write("x")
    attempt = (Path(folder) / f"attempts-{shard}").stat().st_size
    if (given == "killed once" and attempt == 1) or given == "killed always":
        os.kill(os.getpid(), signal.SIGKILL)
    if (given == "transient once" and attempt == 1) or given == "transient always":
        raise StoreUnavailable("the store sleeps")
    if given == "terminal":
        raise CatalogError("image 7 cannot be read")
    if given == "bug":
        raise ZeroDivisionError("a bug")
    return attempt
