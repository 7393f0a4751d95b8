"""Two releases side by side on one query: what moved, what is new, what is gone."""

import random
from typing import Any

import gradio as gr

from app.errors import AppError
from app.page.formats import when
from app.page.notices import fault, is_busy, message
from app.page.tab import QUIET, WAITED, Updates
from app.page.templates import Html, render
from app.page.theme import PRESS
from app.page.ttl_cache import SharedValue
from app.query.compare import Comparison
from app.query.question import Part, Question
from app.query.search import Search
from app.serving.history import ListedRelease
from tasks.schema.errors import ProductSearchError

EMPTY = message(
    "Two releases side by side", "Choose a release, describe a product, and see what the live one does better."
)
_ALONE = message("Nothing to compare with yet", "The store holds no release beside the live one.")
_KEPT_SECONDS = 30.0


class CompareTab:
    """A query, a release to choose, and both answers. The live release stands on the right: from before to now."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._listed = SharedValue(search.history.releases, _KEPT_SECONDS)
        with gr.Row(elem_classes="ask versus", equal_height=False):
            self.query = gr.Textbox(
                label="What are you looking for?", placeholder="e.g. blue striped mug", max_lines=1, scale=3,
                elem_id="compare-query", max_length=search.settings.max_query_chars, min_width=240,
            )  # fmt: skip
            self.other = gr.Dropdown([], label="Compare the live release with", scale=3, min_width=240, elem_id="other")
            self.go = gr.Button("Compare", variant="primary", scale=1, min_width=96, elem_id="compare-go")
        self.found = gr.HTML(EMPTY, js_on_load=PRESS, elem_id="compare-found", elem_classes="found")
        self._again = gr.Timer(3, active=False)

    def choices(self, chosen: str | None) -> Updates:
        """The releases to choose from; what was chosen stays chosen while it is there."""
        snapshot = self._search.live.status().snapshot
        if snapshot is None:
            return {self.other: gr.skip()}
        try:
            listed = self._listed.get((snapshot.release.id, snapshot.pointer.generation))
        except ProductSearchError:
            return {self.other: gr.skip()}  # the foot of the page tells what is wrong with the store
        others = [(_name(one), one.release.id) for one in listed if one.release.id != snapshot.release.id]
        known = {release for _, release in others}
        first = others[0][1] if others else None
        return {self.other: gr.Dropdown(choices=others, value=chosen if chosen in known else first)}

    def show(self, words: str | None, other: str | None) -> Updates:
        """Both answers, or why there are none."""
        if not other:
            return {self.found: _ALONE, self._again: gr.Timer(active=False)}
        if not (words or "").strip():
            return {self.found: EMPTY, self._again: gr.Timer(active=False)}
        try:
            compared = self._search.compare(Question((Part(words or ""),), mode="auto"), other)
        except (AppError, ProductSearchError) as error:
            status = self._search.live.status()
            again = gr.Timer(random.uniform(2, 4), active=is_busy(error, status))
            return {self.found: fault(error, status), self._again: again}
        return {self.found: _drawn(compared), self._again: gr.Timer(active=False)}

    def connect(self) -> None:
        """Enter, the button and another choice compare."""
        fields, outputs = [self.query, self.other], [self.found, self._again]
        gr.on(
            [self.query.submit, self.go.click, self.other.input],
            self.show,
            fields,
            outputs,
            show_progress_on=self.found,
            **WAITED,
        )
        self._again.tick(self.show, fields, outputs, **QUIET)

    def renew(self, words: str | None, other: str | None) -> dict[Any, Any]:
        """After a swap: other releases to choose from, and what was compared no longer holds."""
        compared = {self.found: message("A newer release is live", "Compare again.")} if (words or "").strip() else {}
        return {**self.choices(other), **compared}


def _name(listed: ListedRelease) -> str:
    """How the list tells a release: when it was live or made, why, and whether it was refused."""
    release = listed.release
    if listed.live_at:
        words = f"live {when(listed.live_at)}, generation {listed.generation}"
    else:
        refused = any(gate.refuses for gate in release.gates)
        words = f"{'refused' if refused else 'never live'}, made {when(release.created_at)}"
    return f"{release.id} · {words}{f' · {release.why}' if release.why else ''}"


def _drawn(compared: Comparison) -> Html:
    return render("compare", compared=compared, summary=_summary(compared))


def _summary(compared: Comparison) -> str:
    moved = [one.change for one in compared.right]
    count = max(len(compared.left), len(compared.right))
    gone = sum(one.change == "gone" for one in compared.left)
    parts = [f"{compared.shared} of {count} products in both"]
    parts += [f"{moved.count('new')} new"] if "new" in moved else []
    parts += [f"{gone} gone"] if gone else []
    parts += [f"{moved.count('up')} moved up"] if "up" in moved else []
    parts += [f"{moved.count('down')} moved down"] if "down" in moved else []
    return ", ".join(parts)
