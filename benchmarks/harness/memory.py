"""Memory of this process, as Linux counts it."""

from pathlib import Path


def status_mb(name: str) -> float:
    """MB of ``name`` in /proc/self/status: VmHWM is the most so far, VmRSS what there is now.

    Not getrusage's ru_maxrss: that survives an exec, so that a process starts with what its parent holds.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024
