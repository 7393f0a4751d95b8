"""Records in the store which releases this process holds, so that garbage collection leaves them alone."""

import logging
import os
import re
import socket
import time
import uuid
from collections.abc import Collection
from datetime import timedelta

from tasks.schema.errors import BeingCollected, ProductSearchError
from tasks.store.objects.store import Store
from tasks.store.releases.reader_leases import LEASE_LIFETIME, delete_lease, write_lease

log = logging.getLogger(__name__)


class ReaderLease:
    """One process's lease. A store that refuses it is logged once, and search continues without."""

    def __init__(self, store: Store, poll_seconds: float) -> None:
        self._store = store
        self._lasts = max(LEASE_LIFETIME, timedelta(seconds=4 * poll_seconds))
        self._name = _new_name()
        self._held: frozenset[str] = frozenset()
        self._written = self._tried = -float("inf")  # monotonic seconds
        self._warned = False

    def hold(self, releases: Collection[str]) -> None:
        """Hold these releases and no others; call it before one is loaded, and periodically.

        Raises BeingCollected where one of them is being deleted.
        """
        wanted, now = frozenset(releases), time.monotonic()
        if wanted == self._held and (not wanted or now - self._tried < self._lasts.total_seconds() / 4):
            return
        if now - self._written > self._lasts.total_seconds():
            self._name = _new_name()  # an expired one may be deleted at any moment
        self._held, self._tried = wanted, now
        try:
            write_lease(self._store, self._name, sorted(wanted), self._lasts)
        except BeingCollected:  # written nevertheless: the next call replaces what is held
            self._held, self._written = frozenset(), now
            raise
        except ProductSearchError as error:
            if not self._warned:
                log.warning("The store takes no lease (logged once); search continues without: %s", error)
            self._warned = True
            return
        self._written, self._warned = now, False

    def give_up(self) -> None:
        """Release the lease at a clean stop. After any other end it expires by itself."""
        if self._written > -float("inf"):
            try:
                delete_lease(self._store, self._name)
            except ProductSearchError as error:
                log.info("The lease could not be deleted, it expires by itself: %s", error)
        self._held, self._tried = frozenset(), -float("inf")


def _new_name() -> str:
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60].lstrip(".-") or "host"
    return f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
