"""The live pointer: one compare-and-swap decides which release a channel serves."""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from tasks.schema.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ConfigError,
    ProductSearchError,
    PublishConflict,
    StoreUnavailable,
)
from tasks.schema.release import CHANNEL, LivePointer, Release
from tasks.store.artifacts.claims import claim
from tasks.store.objects.checksum import seal, unseal
from tasks.store.objects.protocol import ConditionFailed, ConditionsUnsupported
from tasks.store.objects.retries import patient
from tasks.store.objects.store import Store
from tasks.store.releases.publish_lock import hold_lease
from tasks.store.releases.releases import FOLDER as RELEASES
from tasks.store.releases.releases import read_release

FOLDER = "live"
LOG = f"{FOLDER}/log"
_TRIES = 4
_log = logging.getLogger(__name__)
_probed: dict[str, "Capability"] = {}
_probing = threading.Lock()


@dataclass(frozen=True)
class LiveState:
    """A channel's pointer as it was read, and the tag that a later swap compares with."""

    pointer: LivePointer
    etag: str


@dataclass(frozen=True)
class Capability:
    """Which conditions of a write the storage honours, found by trying."""

    if_none_match: bool
    if_match: bool
    detail: str

    @property
    def conditional(self) -> bool:
        """Tell whether publishing is safe without a lease."""
        return self.if_none_match and self.if_match


def live_path(channel: str) -> str:
    """Path of a channel's pointer. Raises ConfigError."""
    if not re.fullmatch(CHANNEL, channel):
        raise ConfigError(f"{channel!r:.60} is no channel; expected lower-case letters, digits and '-'")
    return f"{FOLDER}/{channel}.json"


def read_live(store: Store, channel: str, known: LiveState | None = None) -> LiveState | None:
    """What a channel serves now, None where nothing was ever published. Raises ArtifactCorrupt, StoreUnavailable.

    ``known`` is returned as it is where the pointer has not moved since: a server is then asked with its tag and
    answers without a body.
    """
    path = live_path(channel)
    try:
        found = store.objects.read_if_changed(path, known.etag if known else None)
    except ArtifactMissing:
        return None
    if found is None:
        return known
    data, etag = found
    try:
        return LiveState(LivePointer.model_validate(unseal(data, store.url(path))), etag)
    except ValidationError as error:
        raise ArtifactCorrupt(
            f"{store.url(path)} is no live pointer of this version: {error.errors()[0]['msg']}; delete it and publish"
        ) from error


def log_path(channel: str, generation: int) -> str:
    """Path of the audit copy of one generation's pointer. Raises ConfigError."""
    live_path(channel)
    return f"{LOG}/{channel}/{generation:012d}.json"


def live_release(store: Store, channel: str) -> Release | None:
    """The release that a channel serves; None where nothing was published, or its record is damaged."""
    return release_of(store, read_live(store, channel))


def release_of(store: Store, state: LiveState | None) -> Release | None:
    """The release of a pointer. None, and a warning, where it is damaged: that keeps no sound one from replacing it."""
    try:
        return read_release(store, state.pointer.release) if state else None
    except (ArtifactCorrupt, ArtifactMissing) as error:
        _log.warning("what is live cannot be read: %s", error)
        return None


def list_channels(store: Store) -> list[str]:
    """Channels that something was published to, sorted."""
    names = [info.path.removeprefix(f"{FOLDER}/") for info in store.list(FOLDER)]
    return [name.removesuffix(".json") for name in names if name.endswith(".json") and "/" not in name]


def swap_live(
    store: Store,
    channel: str,
    release_id: str,
    *,
    reason: str,
    run: str | None,
    expected: LiveState | None,
    keep_previous: bool = False,
) -> LivePointer:
    """Point ``channel`` at a release, if it still is as ``expected`` says (None: nothing was ever published).

    One compare-and-swap; the generation rises by one, on a roll-back too. ``keep_previous``: a roll-back will go where
    it would have gone before, not to what is live now. Where the answer of a write is lost the pointer is read again
    before anything else, so a swap that landed counts, and is never done twice. Raises PublishConflict where somebody
    else was first, ArtifactMissing where the release does not exist, BeingCollected where it is just being deleted,
    StoreUnavailable where the storage fails (the swap may then have landed: doing it again with the same run tells).

    Every pointer is copied to the audit log. Who dies between swap and copy loses nothing: the next swap copies the
    pointer it replaces before it replaces it.
    """
    path = live_path(channel)
    claim(store, [f"{RELEASES}/{release_id}"])
    release = read_release(store, release_id)
    pointer = LivePointer(
        channel=channel,
        release=release_id,
        generation=1 if expected is None else expected.pointer.generation + 1,
        previous=_previous(expected, keep_previous),
        removals=release.removals,
        published_at=datetime.now(UTC),
        reason=reason,
        run=run,
    )
    if expected is not None and not store.exists(log_path(channel, expected.pointer.generation)):
        _write_log(store, expected.pointer)
    with _guard(store, channel) as guarded:
        swapped = _swap(store, path, pointer, expected, conditional=not guarded)
    try:
        _write_log(store, swapped)
    except ProductSearchError as error:
        _log.warning("%s is live; its log entry is left to the next swap: %s", swapped.release, error)
    return swapped


def _write_log(store: Store, pointer: LivePointer) -> None:
    store.write_json(log_path(pointer.channel, pointer.generation), pointer.model_dump(mode="json"))


def _previous(expected: LiveState | None, keep: bool) -> str | None:
    if expected is None:
        return None
    return expected.pointer.previous if keep else expected.pointer.release


def _swap(store: Store, path: str, pointer: LivePointer, expected: LiveState | None, conditional: bool) -> LivePointer:
    data = seal(pointer.model_dump(mode="json"))
    trouble: StoreUnavailable | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(min(0.2 * 2**attempt, 3.0))
        if attempt or not conditional:  # never blindly again: the last write may have landed
            try:
                now = read_live(store, pointer.channel)
            except StoreUnavailable as error:
                trouble = error
                continue
            if _is_mine(now, pointer):
                return now.pointer  # type: ignore[union-attr]
            if not _is_same(now, expected):
                raise _conflict(store, pointer, now, expected)
        try:
            _write(store, path, data, expected, conditional)
            return pointer
        except ConditionFailed:
            now = read_live(store, pointer.channel)
            if _is_mine(now, pointer):
                return now.pointer  # type: ignore[union-attr]
            raise _conflict(store, pointer, now, expected) from None
        except StoreUnavailable as error:
            _log.warning("publishing %s: the answer was lost, reading the pointer again: %s", pointer.release, error)
            trouble = error
    raise StoreUnavailable(
        f"{store.url(path)}: no clear answer after {_TRIES} tries, the swap to {pointer.release} may have landed; "
        f"publish again, it looks before it writes ({trouble})"
    )


def _write(store: Store, path: str, data: bytes, expected: LiveState | None, conditional: bool) -> None:
    if not conditional:
        store.write_bytes(path, data)
    elif expected is None:
        store.objects.create(path, data)
    else:
        store.objects.replace(path, data, expected.etag)


def _is_mine(now: LiveState | None, wanted: LivePointer) -> bool:
    if now is None:
        return False
    if wanted.run is None:
        return now.pointer == wanted  # the time tells two nameless publishers apart
    found = now.pointer
    return (found.run, found.release, found.generation) == (wanted.run, wanted.release, wanted.generation)


def _is_same(now: LiveState | None, expected: LiveState | None) -> bool:
    # Compares contents, not tags: a server without conditions may not keep tags either.
    return (now and now.pointer) == (expected and expected.pointer)


def _conflict(store: Store, wanted: LivePointer, now: LiveState | None, expected: LiveState | None) -> PublishConflict:
    was = "nothing" if expected is None else f"{expected.pointer.release} (generation {expected.pointer.generation})"
    found = (
        "nothing"
        if now is None
        else f"{now.pointer.release} (generation {now.pointer.generation}, run {now.pointer.run}, {now.pointer.reason})"
    )
    return PublishConflict(
        f"channel {wanted.channel} in {store.root} serves {found}, expected {was}: somebody published in between. "
        f"{wanted.release} is stored but not live; compare the two and promote it if it is still wanted"
    )


def _guard(store: Store, channel: str) -> AbstractContextManager[bool]:
    """Context that yields whether a lease had to stand in for conditional writes."""
    found = probe(store)
    if found.conditional:
        return nullcontext(False)
    _log.warning("%s: %s. Publishing under a lease, which a very slow publisher can outlive", store.root, found.detail)
    return hold_lease(store, f"{FOLDER}/{channel}.lock")


def probe(store: Store) -> Capability:
    """Find out, once a process and root, whether the storage honours If-None-Match and If-Match.

    Writes and removes one small object. Raises StoreUnavailable, TerminalError where writing is refused.
    """
    key = f"{store.settings.aws_endpoint_url}|{store.root}"
    with _probing:
        for attempt in patient(store.settings.store_tries, StoreUnavailable):
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
        return False
    return False
