"""Tasks: make a release, move the live pointer, and sum up a run."""

from datetime import UTC, datetime
from typing import Any

from prefect.logging import get_run_logger

from tasks.history import show_history
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run, show_markdown, show_table
from tasks.schema.errors import ArtifactMissing, GateRefused, PublishConflict
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import GateReport, LivePointer, Release, ReleaseParts
from tasks.store.artifacts import artifacts
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import LiveState, read_live, release_of, swap_live
from tasks.store.releases.releases import check_whole, find_release, read_release, write_release
from tasks.store.releases.removals import carry_removals, count_searchable

_TRIES = 5
_HEADLINE = ("recall@1", "recall@10", "mrr")


@io_task(name="make-release")
def make_release(parts: ReleaseParts, report: GateReport, channel: str, why: str, publish_anyway: bool = False) -> str:
    """Store the release of these parts and return its id. The same parts with the same verdicts are the same release.

    Raises GateRefused where a gate said no, unless ``publish_anyway``; the release stays stored as a candidate.
    """
    store = open_store()
    before = read_live(store, channel)
    live = release_of(store, before)
    if parts.removals is None and before:
        parts = parts.model_copy(update={"removals": before.pointer.removals})
    if live and live.parts == parts:
        _show_release(store, live)
        return live.id
    release_id = parts.release_id(report)
    release = find_release(store, release_id) or write_release(store, _describe(store, parts, report, why))
    check_whole(store, release)
    _show_release(store, release)
    refused = [gate for gate in release.gates if not gate.passed]
    if refused and not publish_anyway:
        raise GateRefused(
            f"Release {release_id} is refused and stays a candidate; {channel} stays as it is. "
            f"{'; '.join(map(str, refused))}. "
            f"To publish it all the same: python -m flows.publish promote --release {release_id} --channel {channel}"
        )
    return release_id


def _describe(store: Store, parts: ReleaseParts, report: GateReport, why: str) -> Release:
    return Release(
        id=parts.release_id(report),
        created_at=datetime.now(UTC),
        catalog=parts.catalog,
        model=parts.model,
        index=parts.index,
        classifier=parts.classifier,
        removals=parts.removals,
        plan=parts.plan,
        evaluations={"report": parts.evaluation} if parts.evaluation else {},
        quality=_quality(store, parts),
        gates=report.gates,
        items=count_searchable(store, parts.index, parts.removals),
        parent=report.parent,
        why=why,
        run=current_run(),
    )


def _quality(store: Store, parts: ReleaseParts) -> dict[str, float]:
    index = artifacts.load_manifest(store, parts.index).summary
    quality = {"index_recall_text": float(index["recall"])}
    if parts.evaluation:
        quality |= artifacts.load_manifest(store, parts.evaluation).summary.get("headline", {})
    if parts.classifier:
        summary = artifacts.load_manifest(store, parts.classifier).summary
        quality |= {name: float(summary[name]) for name in ("top1", "macro_f1") if name in summary}
    return quality


@io_task(name="swap-live")
def swap_to(release: str, channel: str, reason: str) -> LivePointer:
    """Make ``release`` live with one compare-and-swap; nothing moves if it is live already.

    Products that are taken down on the channel stay so: where the release does not know of them, the release of its
    parts and the removals in force goes live in its stead. Products taken down meanwhile are no conflict.

    Raises ArtifactMissing where the release, or what it is made of, is not in the store (any more).
    """
    store = open_store()
    for attempt in range(_TRIES):
        stored, before = _choose(store, release, channel)
        if before and before.pointer.release == stored.id:
            get_run_logger().info("Release %s is live already (generation %d)", stored.id, before.pointer.generation)
            pointer = before.pointer
            break
        try:
            pointer = swap_live(store, channel, stored.id, reason=reason, run=current_run(), expected=before)
            check_whole(store, stored)  # a claim ends one day; should this run have slept so long, say it now
            break
        except PublishConflict:
            if attempt == _TRIES - 1 or not _removals_alone_changed(store, channel, before):
                raise
    show_markdown(
        "live",
        f"**{channel}** serves release `{pointer.release}`, generation **{pointer.generation}** "
        f"({stored.items} products). Before: `{pointer.previous or 'nothing'}`. Reason: {pointer.reason}\n\n"
        f"To undo: `python -m flows.publish roll_back --channel {channel}`",
        "What is live now",
    )
    show_history(store, channel)
    return pointer


def _choose(store: Store, release: str, channel: str) -> tuple[Release, LiveState | None]:
    """The release to make live in place of what is live now, and that."""
    before = read_live(store, channel)
    asked = find_release(store, release) or read_release(store, release)  # claimed, or the error that says what to do
    check_whole(store, asked)
    chosen = carry_removals(store, asked, before.pointer if before else None, current_run())
    if chosen.id != asked.id:
        get_run_logger().warning(
            "Release %s lacks the removals in force on %s: %s, the same with them, goes live in its stead",
            asked.id, channel, chosen.id,
        )  # fmt: skip
    return chosen, before


def _removals_alone_changed(store: Store, channel: str, before: LiveState | None) -> bool:
    now, then = (release_of(store, state) for state in (read_live(store, channel), before))
    return now is not None and then is not None and now.parts.without_removals() == then.parts.without_removals()


@io_task(name="swap-live-to-previous")
def swap_to_previous(channel: str, reason: str) -> LivePointer:
    """Make the release that was live before live again. Raises ArtifactMissing where there was none."""
    store = open_store()
    before = read_live(store, channel)
    if before is None or before.pointer.previous is None:
        found = "nothing was ever published" if before is None else f"{before.pointer.release} was the first release"
        raise ArtifactMissing(
            f"Channel {channel!r} has no previous release to go back to: {found}. Products that were taken down are "
            f"brought back by python -m flows.remove_items --restore ID --reason WHY"
        )
    return swap_to.fn(before.pointer.previous, channel, reason)


@io_task(name="nothing-changed")
def say_nothing_changed(live: Release) -> dict[str, Any]:
    """Say at the run that the shop is as the live release knows it."""
    show_markdown("changes", f"Nothing changed since release `{live.id}`: no new release.", "What changed in the shop")
    return {"release": live.id, "changes": {}}


@io_task(name="summarise")
def summarise(parts: ReleaseParts, baseline: ArtifactRef, release: str) -> dict[str, Any]:
    """One line a step: what it made and its figures, as an artifact and as the flow's result."""
    store = open_store()
    catalog, index = (artifacts.load_manifest(store, ref) for ref in (parts.catalog, parts.index))
    rows = [
        _row("catalogue", parts.catalog, items=catalog.summary.get("items"), refused=catalog.summary.get("rejected")),
        _row("baseline", baseline, **_figures(store, parts, "baseline")),
        _row(
            "fine-tuned" if parts.model != baseline else "served model", parts.model, **_figures(store, parts, "model")
        ),
        _row("index", parts.index, kind=index.summary["factory"], recall=index.summary["recall"]),
    ]
    if parts.classifier:
        summary = artifacts.load_manifest(store, parts.classifier).summary
        rows.append(_row("classifier", parts.classifier, top1=summary.get("top1"), macro_f1=summary.get("macro_f1")))
    stored = read_release(store, release)
    rows.append({"step": "release", "artifact": f"releases/{release}.json", "figures": f"{stored.items} products"})
    report = store.url(f"{parts.evaluation.folder}/report.html") if parts.evaluation else None
    show_table("summary", rows, "What each step made")
    return {"release": release, "report": report, "summary": rows}


def _figures(store: Store, parts: ReleaseParts, which: str) -> dict[str, Any]:
    if parts.evaluation is None:
        return {}
    headline = artifacts.load_manifest(store, parts.evaluation).summary
    chosen = headline.get("baseline_headline" if which == "baseline" else "headline") or headline.get("headline", {})
    return {name: chosen[name] for name in _HEADLINE if name in chosen}


def _row(step: str, ref: ArtifactRef, **figures: Any) -> dict[str, str]:
    told = (f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items())
    return {"step": step, "artifact": str(ref), "figures": ", ".join(told)}


def _show_release(store: Store, release: Release) -> None:
    quality = "\n".join(f"| {name} | {value:.4f} |" for name, value in release.quality.items())
    made_of = "\n".join(
        f"| {role} | `{ref}` |"
        for role, ref in (
            ("catalogue", release.catalog),
            ("model", release.model),
            ("index", release.index),
            ("classifier", release.classifier),
            ("taken down", release.removals),
            ("what changed", release.plan),
        )
        if ref
    )
    show_markdown(
        "release",
        f"# Release `{release.id}`\n\n{release.items} products. {release.why}{_changed(store, release)}\n\n"
        f"| part | artifact |\n|---|---|\n{made_of}\n\n| figure | value |\n|---|---|\n{quality}",
        "What the release is made of and how good it is",
    )


def _changed(store: Store, release: Release) -> str:
    if release.plan is None:
        return ""
    counts = artifacts.load_manifest(store, release.plan).summary["changes"]
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if count)
    return f"\n\nSince release `{release.parent}`: {told}."
