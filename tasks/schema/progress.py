"""How long work tells that it goes on: a callable that any room may call and any edge may draw."""

from collections.abc import Callable

#: Called with the share done (0 to 1) and one short line, e.g. ``progress(0.4, "step 240 of 600, loss 1.93")``.
Progress = Callable[[float, str], None]


def silent(share: float, message: str) -> None:
    """Draw nothing: the default where nobody looks."""
