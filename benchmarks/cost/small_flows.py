"""Flows that do nothing: what is left is what Prefect costs."""

from prefect import flow
from prefect.futures import wait

from tasks.orchestration.policies import io_task


@io_task()
def nothing(number: int) -> int:
    """Under the policies of every task."""
    return number


@flow(name="nothing_below")
def nothing_below(config: int) -> int:
    """A subflow."""
    return config


@flow(name="call_tasks")
def call_tasks(config: int) -> int:
    """So many tasks one after another."""
    return sum(nothing(number) for number in range(config))


@flow(name="map_tasks")
def map_tasks(config: int) -> int:
    """So many tasks at once, as shards are."""
    futures = nothing.map(range(config))
    wait(futures)
    return sum(future.result() for future in futures)


@flow(name="call_subflows")
def call_subflows(config: int) -> int:
    """So many subflows one after another."""
    return sum(nothing_below(number) for number in range(config))
