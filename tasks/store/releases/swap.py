"""Moving the live pointer: one compare-and-swap decides which release a channel serves."""

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from tasks.schema.errors import ProductSearchError, PublishConflict, StoreUnavailable
from tasks.schema.release import LivePointer
from tasks.store.artifacts.claims import claim
from tasks.store.objects.checksum import add_checksum
from tasks.store.objects.interface import ConditionFailed
from tasks.store.objects.store import Store
from tasks.store.releases.conditional_writes import probe
from tasks.store.releases.live import FOLDER, LiveState, live_path, log_path, read_live
from tasks.store.releases.publish_lock import hold_publish_lock
from tasks.store.releases.releases import FOLDER as RELEASES
from tasks.store.releases.releases import read_release

_TRIES = 4
_log = logging.getLogger(__name__)


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
    else was first, ArtifactMissing where the release does not exist, BeingCollected where it is being deleted,
    StoreUnavailable where the storage fails (the swap may have landed: calling again with the same ``run`` is safe).

    Every pointer is copied to the audit log. A publisher that dies between swap and copy loses nothing: the next swap
    copies the pointer it replaces first.
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
    data = add_checksum(pointer.model_dump(mode="json"))
    trouble: StoreUnavailable | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(min(0.2 * 2**attempt, 3.0))
        if attempt or not conditional:  # never repeat a write without reading: the last one may have landed
            try:
                now = read_live(store, pointer.channel)
            except StoreUnavailable as error:
                trouble = error
                continue
            if _is_ours(now, pointer):
                return now.pointer  # type: ignore[union-attr]
            if not _is_same(now, expected):
                raise _conflict(store, pointer, now, expected)
        try:
            _write(store, path, data, expected, conditional)
            return pointer
        except ConditionFailed:
            now = read_live(store, pointer.channel)
            if _is_ours(now, pointer):
                return now.pointer  # type: ignore[union-attr]
            raise _conflict(store, pointer, now, expected) from None
        except StoreUnavailable as error:
            _log.warning("publishing %s: the answer was lost, reading the pointer again: %s", pointer.release, error)
            trouble = error
    raise StoreUnavailable(
        f"{store.url(path)}: no clear answer after {_TRIES} tries, the swap to {pointer.release} may have landed; "
        f"publish again, it reads before it writes ({trouble})"
    )


def _write(store: Store, path: str, data: bytes, expected: LiveState | None, conditional: bool) -> None:
    if not conditional:
        store.write_bytes(path, data)
    elif expected is None:
        store.objects.create(path, data)
    else:
        store.objects.replace(path, data, expected.etag)


def _is_ours(now: LiveState | None, wanted: LivePointer) -> bool:
    if now is None:
        return False
    if wanted.run is None:
        return now.pointer == wanted  # without a run only the time differs
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
    """Context that yields whether a lock replaces conditional writes."""
    found = probe(store)
    if found.conditional:
        return nullcontext(False)
    _log.warning("%s: %s. Publishing under a lock, which a very slow publisher can outlive", store.root, found.detail)
    return hold_publish_lock(store, f"{FOLDER}/{channel}.lock")
