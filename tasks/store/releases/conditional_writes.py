"""Which conditional writes the storage honours, found by trying, since some servers ignore the conditions silently."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tasks.schema.errors import StoreUnavailable
from tasks.store.objects.interface import ConditionFailed, ConditionsUnsupported
from tasks.store.objects.retries import attempts
from tasks.store.objects.store import Store
from tasks.store.releases.live import FOLDER

_probed: dict[str, "Capability"] = {}
_probing = threading.Lock()


@dataclass(frozen=True)
class Capability:
    """Which conditions of a write the storage honours."""

    if_none_match: bool
    if_match: bool
    detail: str

    @property
    def conditional(self) -> bool:
        """Whether publishing is safe without a lock."""
        return self.if_none_match and self.if_match


def probe(store: Store) -> Capability:
    """Find out, once a process and root, whether the storage honours If-None-Match and If-Match.

    Writes and removes one small object. Raises StoreUnavailable, TerminalError where writing is refused.
    """
    key = f"{store.settings.aws_endpoint_url}|{store.root}"
    with _probing:
        for attempt in attempts(store.settings.store_tries, StoreUnavailable):
            with attempt:
                if key not in _probed:  # each of its conditional writes is one attempt
                    _probed[key] = _try_conditions(store)
        return _probed[key]


def _try_conditions(store: Store) -> Capability:
    objects, path = store.objects, f"{FOLDER}/.probe-{uuid.uuid4().hex}"
    stale = '"00000000000000000000000000000000"'
    try:
        store.write_bytes(path, b"1")
        creates_only = _refuses(lambda: objects.create(path, b"2"))
        compares = (
            _refuses(lambda: objects.replace(path, b"3", stale))
            and _refuses(lambda: objects.replace(f"{path}-absent", b"4", stale))  # some servers create it
            and not _refuses(lambda: objects.replace(path, b"5", objects.read_tagged(path)[1]))
        )
    finally:
        store.delete(path)
        store.delete(f"{path}-absent")
    ignored = [name for name, honoured in (("If-None-Match", creates_only), ("If-Match", compares)) if not honoured]
    detail = f"the server does not honour {' and '.join(ignored)}" if ignored else "conditional writes are honoured"
    return Capability(creates_only, compares, detail)


def _refuses(write: Callable[[], str]) -> bool:
    try:
        write()
    except ConditionFailed:
        return True
    except ConditionsUnsupported:
        pass
    return False
