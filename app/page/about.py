"""What the live release is made of, how good it is, and how it came to be live."""

from collections.abc import Iterator
from datetime import timedelta

import gradio as gr

from app.page import figures
from app.page.cards import escape
from app.page.notices import notice, run_url, state, warnings, when
from app.page.ttl_cache import Kept
from app.query.search import Search
from app.serving.snapshot import Snapshot
from app.serving.status import LiveStatus
from tasks.schema.errors import ProductSearchError
from tasks.schema.manifest import ArtifactRef
from tasks.store.releases.history import HistoryEntry

_LINES = 20
_IDS = 50  # products taken down that are named
_KEPT_SECONDS = 60.0


class AboutTab:
    """One page of facts. Read from the store when somebody looks, not for every tick of every page."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._history = Kept(lambda: search.history.served(_LINES), _KEPT_SECONDS)
        self.seen = gr.State(False)
        self.told = gr.HTML(state("About this release", "One moment."), elem_id="about", elem_classes="found")

    def show(self) -> str:
        """Everything there is to tell."""
        status = self._search.live.status()
        if status.snapshot is None:
            return notice(status)
        release = status.snapshot.release
        parts = (
            _live(status, self._search.settings.prefect_url),
            figures.quality(release.quality),
            _made_of(status.snapshot),
            figures.gates(release.gates),
            self._told_history(status.snapshot),
        )
        return f'<div class="about">{"".join(parts)}</div>'

    def _told_history(self, snapshot: Snapshot) -> str:
        try:
            lines = self._history.get((snapshot.release.id, snapshot.pointer.generation))
        except ProductSearchError as error:
            return _section(
                "History", f'<p class="hint">The history cannot be read just now. {escape(error)}</p>', "wide"
            )
        return _section("History", _table(lines, snapshot, self._search.settings.prefect_url), "wide")


def _live(status: LiveStatus, prefect_url: str) -> str:
    snapshot = status.snapshot
    assert snapshot is not None
    release, pointer = snapshot.release, snapshot.pointer
    facts = [
        ("Live since", f"{when(pointer.published_at)} ({_ago(status.live_seconds)})"),
        ("Generation", f"{pointer.generation}"),
        ("Went live by", escape(pointer.reason or "unknown")),
        ("Made", f"{when(release.created_at)}{': ' + escape(release.why) if release.why else ''}"),
        ("Made after", _code(release.parent) if release.parent else "nothing: the first release"),
        ("Loaded here", when(snapshot.loaded_at)),
        ("Last looked", f"{_ago(status.checked_seconds)}" if status.checked_at else "never: the store did not answer"),
    ]
    warned = "".join(f'<p class="warn">{escape(text)}</p>' for text in warnings(status))
    links = "".join(_links(snapshot, prefect_url))
    health = '<span class="badge bad">may be stale</span>' if status.stale else '<span class="badge good">live</span>'
    title = f"<h2>Release {_code(release.id)} {health}</h2>"
    return f'<section class="wide">{title}{warned}{_facts(facts)}<p class="links">{links}</p></section>'


def _links(snapshot: Snapshot, prefect_url: str) -> Iterator[str]:
    if snapshot.release.evaluations.get("report"):
        yield _link("v1/release/report", "Evaluation report")
    if address := run_url(prefect_url, snapshot.release.run):
        yield _link(address, "Run that made it")
    if address := run_url(prefect_url, snapshot.pointer.run):
        yield _link(address, "Run that published it")
    yield _link("v1/release", "Everything as JSON")


def _made_of(snapshot: Snapshot) -> str:
    release, manifests = snapshot.release, snapshot.files.manifests
    index = manifests["index"].summary
    size = f"{snapshot.index.searcher.ntotal:,} vectors of {snapshot.index.searcher.dim} numbers"
    facts = [
        ("Model", f"{escape(snapshot.model_name)}{_size(manifests['model'].summary)} {_code(release.model)}"),
        ("Index", f"{escape(index.get('kind') or index.get('factory') or 'index')}, {size} {_code(release.index)}"),
        ("Classifier", _classifier(snapshot)),
        ("Catalogue", f"{len(snapshot.items):,} products that can be found {_code(release.catalog)}"),
        ("Taken down", _removed(snapshot)),
    ]
    return _section("Made of", _facts(facts))


def _size(summary: dict[str, object]) -> str:
    count = summary.get("parameters")
    return f", {count / 1e6:.1f} million weights" if isinstance(count, int) else ""


def _classifier(snapshot: Snapshot) -> str:
    if snapshot.release.classifier is None:
        return "none: pictures get no category"
    classes = snapshot.files.manifests["classifier"].summary.get("classes")
    told = f"{classes} categories " if isinstance(classes, int) else ""
    return f"{told}{_code(snapshot.release.classifier)}"


def _removed(snapshot: Snapshot) -> str:
    removed = snapshot.items.removed
    if not removed:
        return "no product"
    listed = "".join(f"<li>{_code(item)} on {when(moment)}</li>" for item, moment in [*removed.items()][:_IDS])
    more = f"<li>and {len(removed) - _IDS:,} more</li>" if len(removed) > _IDS else ""
    said = "1 product" if len(removed) == 1 else f"{len(removed):,} products"
    return f"<details><summary>{said}</summary><ul>{listed}{more}</ul></details>"


def _table(lines: list[HistoryEntry], snapshot: Snapshot, prefect_url: str) -> str:
    older: set[str] = set()
    rows = []
    for line in reversed(lines):
        rows.append(_line(line, snapshot.pointer.generation, line.pointer.release in older, prefect_url))
        older.add(line.pointer.release)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Generation", "When", "Release", "Searchable", "Why"))
    return f"<table class='stack'><thead><tr>{heads}</tr></thead><tbody>{''.join(reversed(rows))}</tbody></table>"


def _line(line: HistoryEntry, live: int, again: bool, prefect_url: str) -> str:
    pointer, release = line.pointer, line.release
    marks = '<span class="badge good">live</span>' if pointer.generation == live else ""
    marks += '<span class="badge">back again</span>' if again else ""
    marks += '<span class="badge">kept</span>' if line.pin else ""
    items = f"{release.items:,} products" if release else "collected"
    address = run_url(prefect_url, pointer.run)
    why = escape(pointer.reason) + (f" {_link(address, 'run')}" if address else "")
    cells = (pointer.generation, when(pointer.published_at), f"{_code(pointer.release)} {marks}", items, why)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _section(title: str, body: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h2>{title}</h2>{body}</section>'


def _facts(facts: list[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{told}</dd></div>' for name, told in facts)}</dl>"


def _code(named: ArtifactRef | str) -> str:
    return f"<code>{escape(named.id if isinstance(named, ArtifactRef) else named)}</code>"


def _link(address: str, words: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noreferrer">{words}</a>'


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    whole = timedelta(seconds=max(0, round(seconds)))
    if whole.days:
        return f"{whole.days} {'day' if whole.days == 1 else 'days'} ago"
    hours, minutes = whole.seconds // 3600, whole.seconds // 60
    return f"{hours} h ago" if hours else f"{minutes} min ago" if minutes else "less than a minute ago"
