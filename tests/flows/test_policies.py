"""The policies that every task shares."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect import flow

from tasks.orchestration.policies import accelerator

pytestmark = pytest.mark.server


def test_one_task_of_a_process_holds_the_accelerator(prefect_server: str) -> None:
    """Nobody created the limit here: a flow started by hand must not embed four shards at once either."""
    inside, most, lock = 0, 0, threading.Lock()

    def hold(_: int) -> None:
        nonlocal inside, most
        with accelerator():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    @flow
    def four() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(hold, range(4)))

    four()
    assert (most, inside) == (1, 0)
