"""Retries of one storage call: how often, and how long it waits in between."""

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random


def attempts(tries: int, trouble: type[Exception]) -> Retrying:
    """At most ``tries`` attempts while ``trouble`` is raised; the last one raises it as it is.

    To be used as ``for attempt in attempts(...): with attempt: ...``. Pauses grow from 0.3 s to 8 s, with up to 0.5 s
    at random, so that many workers do not return at the same time.
    """
    return Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=0.3, max=8) + wait_random(0, 0.5),
        retry=retry_if_exception_type(trouble),
        reraise=True,
    )
