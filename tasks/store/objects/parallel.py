"""Many storage calls at once, results in order, with a bounded number in flight."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
