"""Paths of objects: which are valid, and which are internal to the store."""

from tasks.schema.errors import ConfigError

#: Path segments with these prefixes are internal to the store and never listed.
INTERNAL = (".tmp-", ".lock-", ".probe-")
_SCRATCH = (".tmp-", ".probe-")  # a lock may be held at any age


def check_path(path: str) -> str:
    """``path`` if it stays below a root. Raises ConfigError: paths come from code, so a bad one is a bug."""
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{path!r} is not a path in the store; expected names with single '/' between, without '..'")
    return path


def is_internal(path: str) -> bool:
    """Whether ``path`` is internal to the store: scratch or a lock."""
    return any(part.startswith(INTERNAL) for part in path.split("/"))


def is_scratch(path: str) -> bool:
    """Whether ``path`` belongs to a write or a probe, which last minutes at most."""
    return path.rsplit("/", 1)[-1].startswith(_SCRATCH)
