"""Retry, cache and concurrency policies of every task, in one place.

A task here never uses Prefect's result cache: an artifact that has a manifest is the cache, and every machine sees it.

Storage that fails for about half a minute is waited for, within each call and by the retries here. After that the run
fails and says so, rather than hold the accelerator through the night; the next run reuses all that was finished.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.tasks import Task, exponential_backoff

from tasks.schema.errors import ProductSearchError, TransientError

P = ParamSpec("P")
R = TypeVar("R")
#: Global concurrency limit that fine-tuning, embedding and building an index hold; `deployments/apply.py` creates it.
ACCELERATOR = "accelerator"
_one_a_process = Lock()


def passes_with_time(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Tell whether a failed task run is worth a retry: only errors that can pass are."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def io_task(task_run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task that reads and writes objects: three retries, with growing, jittered pauses (about 2, 4 and 8 s)."""
    return _task(task_run_name, retries=3, backoff=2, jitter=0.5)


def compute_task(task_run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task that computes for long and resumes from what it stored: two retries (after about 10 and 20 s)."""
    return _task(task_run_name, retries=2, backoff=10, jitter=0.3)


def _task(
    task_run_name: str | None, retries: int, backoff: float, jitter: float
) -> Callable[[Callable[P, R]], Task[P, R]]:
    return task(
        task_run_name=task_run_name,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=backoff),
        retry_jitter_factor=jitter,
        retry_condition_fn=passes_with_time,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@contextmanager
def accelerator() -> Iterator[None]:
    """One holder of this process at a time, and of all processes at most ``ACCELERATOR``'s limit, where it was created.

    For a task that computes, or for a flow around many that do. A killed process' slot is free again after a minute.
    """
    with _one_a_process, concurrency(ACCELERATOR, occupy=1, lease_duration=60, strict=False):
        yield


class _SpareTheTraceback(logging.Filter):
    """An error raised on purpose says what to do in one message; Prefect would log its traceback on top."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], ProductSearchError):
            record.exc_info = None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_SpareTheTraceback())
