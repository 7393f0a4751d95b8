"""The machine's processes as a stack sees them: the identity of one, and those that carry the stack's mark."""

import os
from collections.abc import Iterator

import psutil

from deployments.environment import MARK


def started(pid: int) -> str:
    """When a process started, in a form that can be compared; empty if there is none, or a zombie.

    In seconds after boot, which stays the same when the system's clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ""
        return f"{process.create_time() - psutil.boot_time():.2f}"
    except psutil.Error:
        return ""


def marked(mark: str) -> Iterator[int]:
    """Ids of the running processes whose environment marks them as of the stack ``mark``."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and started(process.pid):
                yield process.pid
        except psutil.Error:
            continue  # ended in the meantime, or of another user


def self_and_ancestors() -> set[int]:
    """Ids of this process and its ancestors."""
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
