"""How often one storage call is tried, and how long it rests in between."""

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random


def attempts(tries: int, trouble: type[Exception]) -> Retrying:
    """Yield attempts, each to be entered by ``with``, until one succeeds; the last ``trouble`` is raised as it is.

    Rests grow from 0.3 s to 8 s, with up to 0.5 s at random, so that many workers do not come back at once.
    """
    return Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=0.3, max=8) + wait_random(0, 0.5),
        retry=retry_if_exception_type(trouble),
        reraise=True,
    )
