"""Reader leases: which releases a running app uses, so that garbage collection leaves them and their images."""

import re
from collections.abc import Sequence
from datetime import timedelta

from tasks.schema.errors import ConfigError
from tasks.store.artifacts.claims import refuse_if_deleting
from tasks.store.objects.store import Store
from tasks.store.releases.releases import FOLDER as RELEASES

FOLDER = "leases"
#: An app that does not renew for this long is considered gone. It renews several times within.
LEASE_LIFETIME = timedelta(hours=1)
_READER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}"


def lease_path(reader: str) -> str:
    """Path of a reader's lease. Raises ConfigError."""
    if not re.fullmatch(_READER, reader):
        raise ConfigError(f"{reader!r:.80} is not a name of a reader; expected letters, digits, '.', '_', '-'")
    return f"{FOLDER}/{reader}.json"


def write_lease(store: Store, reader: str, releases: Sequence[str], lifetime: timedelta = LEASE_LIFETIME) -> None:
    """Record that ``reader`` uses ``releases`` and nothing else. To be called before it loads the newest of them.

    Raises BeingCollected where one of them is being deleted: the reader must not load it.
    """
    path, held = lease_path(reader), [f"{RELEASES}/{release}" for release in releases]
    store.write_json(path, {"paths": held, "lasts": lifetime.total_seconds()})
    refuse_if_deleting(store, held, since=path)


def delete_lease(store: Store, reader: str) -> None:
    """Release everything that ``reader`` holds. Absent is fine."""
    store.delete(lease_path(reader))
