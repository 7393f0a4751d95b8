"""Many storage calls at once, results in order, with a bounded number in flight."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError

T = TypeVar("T")
R = TypeVar("R")
_log = logging.getLogger(__name__)


def map_ordered(
    call: Callable[[T], R], arguments: Iterable[T], threads: int = 8, ahead: int | None = None
) -> Iterator[R]:
    """Yield ``call(argument)`` in the order of ``arguments``, computed by ``threads`` threads.

    At most ``ahead`` (default twice the threads) results wait in memory, unlike ``Executor.map``, which starts all.
    The first error ends the iteration; calls not yet started are dropped.
    """
    ahead = 2 * threads if ahead is None else ahead
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="store")
    try:
        for argument in arguments:
            waiting.append(pool.submit(call, argument))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_readable(read: Callable[[T], R], records: Iterable[T], listing: str) -> list[R]:
    """``read(record)`` of each record in order. One that is gone or damaged is logged and left out of ``listing``."""

    def one(record: T) -> R | None:
        try:
            return read(record)
        except (ArtifactCorrupt, ArtifactMissing, ConfigError, ValidationError) as error:
            _log.warning("left out of the %s: %s: %s", listing, record, error)
            return None

    return [found for found in map_ordered(one, records) if found is not None]
