"""Tells the store which releases this process holds, so that garbage collection leaves them and their images."""

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


class Lease:
    """One process's lease. A store that does not take it is told once in the log, and search goes on without."""

    def __init__(self, store: Store, poll_seconds: float) -> None:
        self._store = store
        self._lasts = max(LEASE_LIFETIME, timedelta(seconds=4 * poll_seconds))
        self._name = _new_name()
        self._held: frozenset[str] = frozenset()
        self._written = self._tried = -float("inf")  # monotonic seconds
        self._complained = False

    def hold(self, releases: Collection[str]) -> None:
        """Hold these releases and no others; to be called before one is loaded, and every now and then.

        Raises BeingCollected where one of them is just being deleted.
        """
        wanted, now = frozenset(releases), time.monotonic()
        if wanted == self._held and (not wanted or now - self._tried < self._lasts.total_seconds() / 4):
            return
        if now - self._written > self._lasts.total_seconds():
            self._name = _new_name()  # one that ran out may be cleared away at any moment
        self._held, self._tried = wanted, now
        try:
            write_lease(self._store, self._name, sorted(wanted), self._lasts)
        except BeingCollected:  # written all the same: the next call says what is held instead
            self._held, self._written = frozenset(), now
            raise
        except ProductSearchError as error:
            if not self._complained:
                log.warning("The store takes no lease (told once); search goes on without one: %s", error)
            self._complained = True
            return
        self._written, self._complained = now, False

    def give_up(self) -> None:
        """Hold nothing any more, at a clean stop. After any other end the lease runs out by itself."""
        if self._written > -float("inf"):
            try:
                delete_lease(self._store, self._name)
            except ProductSearchError as error:
                log.info("The lease could not be given back, it runs out by itself: %s", error)
        self._held, self._tried = frozenset(), -float("inf")


def _new_name() -> str:
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60].lstrip(".-") or "host"
    return f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
