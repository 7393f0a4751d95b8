"""Tasks: make a release, move the live pointer, and sum up a run."""

from typing import Any

from prefect.logging import get_run_logger

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run, show_history, show_markdown, show_table
from tasks.report.tables import release_table
from tasks.schema.errors import GateRefused
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import GateReport, LivePointer, Release, ReleaseParts
from tasks.stages import releasing
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.releases import read_release

_HEADLINE = ("recall@1", "recall@10", "mrr")


@io_task()
def make_release(
    parts: ReleaseParts,
    report: GateReport,
    channel: str,
    why: str,
    notes: tuple[str, ...] = (),
    publish_anyway: bool = False,
) -> str:
    """Store the release of these parts and return its id. The same parts with the same verdicts are the same release.

    ``notes``: what was left out or not measured, and why.
    Raises GateRefused where a gate said no, unless ``publish_anyway``; the release stays stored as a candidate. What is
    live already is not refused.
    """
    store = open_store()
    release, is_live = releasing.make_release(store, parts, report, channel, why, current_run(), notes)
    _show_release(store, release)
    for gate in release.gates:
        if gate.warning:
            get_run_logger().warning("Release %s goes live all the same, for nothing is: %s", release.id, gate)
    refused = [gate for gate in release.gates if gate.refuses]
    if refused and not publish_anyway and not is_live:
        raise GateRefused(
            f"Release {release.id} is refused and stays a candidate; {channel} stays as it is. "
            f"{'; '.join(map(str, refused))}. "
            f"To publish it all the same: python -m flows.publish promote --release {release.id} --channel {channel}"
        )
    return release.id


@io_task()
def promote(release: str, channel: str, reason: str) -> LivePointer:
    """Make ``release`` live with one compare-and-swap; nothing moves if it is live already. See `releasing.promote`."""
    return _promote(release, channel, reason)


@io_task()
def roll_back(channel: str, reason: str) -> LivePointer:
    """Make the release that was live before live again. Raises ArtifactMissing where there was none."""
    return _promote(releasing.previous_release(open_store(), channel), channel, reason)


def _promote(release: str, channel: str, reason: str) -> LivePointer:
    store, logger = open_store(), get_run_logger()
    swapped = releasing.promote(store, release, channel, reason, current_run())
    stored, pointer = swapped.release, swapped.pointer
    if stored.id != swapped.asked.id:
        logger.warning(
            "Release %s lacks the removals in force on %s: %s, the same with them, goes live instead",
            swapped.asked.id, channel, stored.id,
        )  # fmt: skip
    if not swapped.moved:
        logger.info("Release %s is live already (generation %d)", stored.id, pointer.generation)
    show_markdown(
        "live",
        f"**{channel}** serves release `{pointer.release}`, generation **{pointer.generation}** "
        f"({stored.items} products). Before: `{pointer.previous or 'nothing'}`. Reason: {pointer.reason}\n\n"
        f"To undo: `python -m flows.publish roll_back --channel {channel}`",
        "What is live now",
    )
    show_history(store, channel)
    return pointer


@io_task()
def say_nothing_changed(live: Release) -> dict[str, Any]:
    """Say at the run that the shop is as the live release knows it."""
    show_markdown("changes", f"Nothing changed since release `{live.id}`: no new release.", "What changed in the shop")
    return {"release": live.id, "changes": {}}


@io_task()
def summarise(parts: ReleaseParts, baseline: ArtifactRef, release: str, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """One line a step: what it made and its figures, and a line for each step left out; artifact and flow's result."""
    store = open_store()
    catalog, index = (load_manifest(store, ref) for ref in (parts.catalog, parts.index))
    rows = [
        _row("catalogue", parts.catalog, items=catalog.summary.get("items"), refused=catalog.summary.get("rejected")),
        _row("baseline", baseline, **_figures(store, parts, "baseline")),
        _row(
            "fine-tuned" if parts.model != baseline else "served model", parts.model, **_figures(store, parts, "model")
        ),
        _row("index", parts.index, kind=index.summary["factory"], recall=index.summary["recall"]),
    ]
    if parts.lexical:
        rows.append(_row("word index", parts.lexical, words=load_manifest(store, parts.lexical).summary["words"]))
    if parts.classifier:
        summary = load_manifest(store, parts.classifier).summary
        rows.append(_row("classifier", parts.classifier, top1=summary.get("top1"), macro_f1=summary.get("macro_f1")))
    stored = read_release(store, release)
    rows.append({"step": "release", "artifact": f"releases/{release}.json", "figures": f"{stored.items} products"})
    rows += [{"step": "left out", "artifact": "", "figures": note} for note in notes]
    rows += [{"step": "warning", "artifact": "", "figures": str(gate)} for gate in stored.gates if gate.warning]
    report = store.url(f"{parts.evaluation.folder}/report.html") if parts.evaluation else None
    show_table("summary", rows, "What each step made")
    return {"release": release, "report": report, "notes": list(notes), "summary": rows}


def _figures(store: Store, parts: ReleaseParts, which: str) -> dict[str, Any]:
    if parts.evaluation is None:
        return {"recall": "not measured"}
    headline = load_manifest(store, parts.evaluation).summary
    chosen = headline.get("baseline_headline" if which == "baseline" else "headline") or headline.get("headline", {})
    return {name: chosen[name] for name in _HEADLINE if name in chosen}


def _row(step: str, ref: ArtifactRef, **figures: Any) -> dict[str, str]:
    words = (
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items()
    )
    return {"step": step, "artifact": str(ref), "figures": ", ".join(words)}


def _show_release(store: Store, release: Release) -> None:
    page = f"# Release `{release.id}`\n\n{release_table(release)}{_changed(store, release)}"
    show_markdown("release", page, "What the release is made of and how good it is")


def _changed(store: Store, release: Release) -> str:
    if release.plan is None:
        return ""
    counts = load_manifest(store, release.plan).summary["changes"]
    words = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if count)
    return f"\n\nSince release `{release.parent}`: {words}."
