"""The publish lock: an object that says who may move a live pointer, for storage without conditional writes."""

import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ProductSearchError, PublishConflict
from tasks.store.objects.store import Store

_EXPIRES_AFTER = 30.0  # seconds; a publisher needs well under one
_SETTLING = 0.5  # seconds between writing one's name and believing it; must exceed the delay of a competing PUT
_PAUSE = 0.25
_log = logging.getLogger(__name__)


@contextmanager
def hold_publish_lock(store: Store, path: str) -> Iterator[bool]:
    """Hold the lock at ``path`` and yield True. Raises PublishConflict if another holder does not release it.

    Not a proof: two writers can both believe they hold it if one PUT takes longer than the settling time. It turns a
    certain lost update into an unlikely one; the holder compares the pointer once more before it writes. A holder
    that died is replaced when its lock expires, so clocks should agree within seconds.
    """
    owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    _acquire(store, path, owner)
    try:
        yield True
    finally:
        try:
            if _holder(store, path) == owner:
                store.delete(path)
        except ProductSearchError as error:
            _log.warning("the lock %s could not be released, it expires in %.0f s: %s", path, _EXPIRES_AFTER, error)


def _acquire(store: Store, path: str, owner: str) -> None:
    deadline = time.monotonic() + 2 * _EXPIRES_AFTER
    while time.monotonic() < deadline:
        if _holder(store, path) is None:
            store.write_json(path, {"owner": owner, "expires": time.time() + _EXPIRES_AFTER})
            time.sleep(_SETTLING)
            if _holder(store, path) == owner:  # of several who wrote at once, only the last finds its name
                return
        time.sleep(_PAUSE)
    raise PublishConflict(
        f"{store.url(path)} is held by {_holder(store, path)}; wait until it is done, or delete the object"
    )


def _holder(store: Store, path: str) -> str | None:
    """Owner of the lock, None where it is free or has expired."""
    try:
        record = json.loads(store.read_bytes(path))
        return str(record["owner"]) if float(record["expires"]) > time.time() else None
    except (ArtifactMissing, ArtifactCorrupt, ValueError, KeyError, TypeError):
        return None
