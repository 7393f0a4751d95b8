"""Memory of this process on Linux."""

from pathlib import Path


def status_mb(name: str) -> float:
    """MB of ``name`` in /proc/self/status: VmHWM (peak), VmRSS (now), RssAnon (now, without pages of files).

    psutil knows no peak. getrusage's ru_maxrss survives an exec, so that a process starts with its parent's memory.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024
