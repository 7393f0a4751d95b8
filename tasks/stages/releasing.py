"""Releases: made of their parts, and made live by one compare-and-swap that keeps to the removals in force."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.schema.errors import ArtifactMissing, PublishConflict
from tasks.schema.release import GateReport, LivePointer, Release, ReleaseParts
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.live import LiveState, read_live, release_of
from tasks.store.releases.releases import check_complete, claim_release, read_release, write_release
from tasks.store.releases.removals import carry_removals, count_searchable
from tasks.store.releases.swap import swap_live

_TRIES = 5


@dataclass(frozen=True)
class Swapped:
    """What a channel serves now: the release that was ``asked`` for, or the same with the removals in force."""

    asked: Release
    release: Release
    pointer: LivePointer
    moved: bool


def make_release(
    store: Store,
    parts: ReleaseParts,
    report: GateReport,
    channel: str,
    why: str,
    run: str | None,
    notes: tuple[str, ...] = (),
) -> tuple[Release, bool]:
    """Store the release of these parts; returns it, and whether it is live already. notes: what it lacks, and why.

    The same parts with the same verdicts are the same release.
    Parts that name no removals take over those in force on ``channel``; parts that are live already are that release.
    """
    before = read_live(store, channel)
    live = release_of(store, before)
    if parts.removals is None and before:
        parts = parts.model_copy(update={"removals": before.pointer.removals})
    if live and live.parts == parts:
        return live, True
    stored = claim_release(store, parts.release_id(report))
    release = stored or write_release(store, _describe(store, parts, report, why, run, notes))
    check_complete(store, release)
    return release, False


def _describe(
    store: Store, parts: ReleaseParts, report: GateReport, why: str, run: str | None, notes: tuple[str, ...]
) -> Release:
    return Release(
        id=parts.release_id(report),
        created_at=datetime.now(UTC),
        **parts.served,
        evaluations={"report": parts.evaluation} if parts.evaluation else {},
        quality=_quality(store, parts),
        gates=report.gates,
        notes=notes,
        items=count_searchable(store, parts.index, parts.removals),
        parent=report.parent,
        why=why,
        run=run,
    )


def _quality(store: Store, parts: ReleaseParts) -> dict[str, float]:
    index = load_manifest(store, parts.index).summary
    quality = {"index_recall_text": float(index["recall"])}
    if parts.evaluation:
        quality |= load_manifest(store, parts.evaluation).summary.get("headline", {})
    if parts.classifier:
        summary = load_manifest(store, parts.classifier).summary
        quality |= {name: float(summary[name]) for name in ("top1", "macro_f1") if name in summary}
    return quality


def promote(store: Store, release: str, channel: str, reason: str, run: str | None) -> Swapped:
    """Make ``release`` live with one compare-and-swap; nothing moves if it is live already.

    Products that are taken down on the channel stay so: where the release does not know of them, the release of its
    parts and the removals in force goes live instead. Products taken down meanwhile are no conflict.

    Raises ArtifactMissing where the release, or what it is made of, is not in the store (any more).
    """
    for attempt in range(_TRIES):
        before = read_live(store, channel)
        asked = claim_release(store, release) or read_release(store, release)  # claimed, or the error that says why not
        check_complete(store, asked)
        chosen = carry_removals(store, asked, before.pointer if before else None, run)
        if before and before.pointer.release == chosen.id:
            return Swapped(asked, chosen, before.pointer, moved=False)
        try:
            pointer = swap_live(store, channel, chosen.id, reason=reason, run=run, expected=before)
        except PublishConflict:
            if attempt == _TRIES - 1 or not _removals_alone_changed(store, channel, before):
                raise
        else:
            check_complete(store, chosen)  # a claim ends one day; should this run have slept so long, say it now
            return Swapped(asked, chosen, pointer, moved=True)
    raise AssertionError("unreachable")


def previous_release(store: Store, channel: str) -> str:
    """Id of the release that was live before. Raises ArtifactMissing where there was none."""
    before = read_live(store, channel)
    if before is None or before.pointer.previous is None:
        found = "nothing was ever published" if before is None else f"{before.pointer.release} was the first release"
        raise ArtifactMissing(
            f"Channel {channel!r} has no previous release to go back to: {found}. Products that were taken down are "
            f"brought back by python -m flows.remove_items --restore ID --reason WHY"
        )
    return before.pointer.previous


def _removals_alone_changed(store: Store, channel: str, before: LiveState | None) -> bool:
    now, then = (release_of(store, state) for state in (read_live(store, channel), before))
    return now is not None and then is not None and now.parts.without_removals() == then.parts.without_removals()
