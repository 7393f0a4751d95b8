"""What the live release is made of, how good it is, and how it came to be live."""

import gradio as gr

from app.page.notices import message, notice, warnings
from app.page.templates import Html, render
from app.page.ttl_cache import SharedValue
from app.query.search import Search
from app.serving.snapshot import Snapshot
from tasks.schema.errors import ProductSearchError
from tasks.store.releases.history import HistoryEntry

_LINES = 20
_MOST_REMOVED = 50  # products taken down that are named
_KEPT_SECONDS = 60.0
#: What each figure means, in the order a reader wants them. All lie between 0 and 1.
_FIGURES = {
    "recall@1": "the right product comes first",
    "recall@5": "it is among the first 5",
    "recall@10": "it is among the first 10",
    "mrr": "mean of 1 / its place",
    "ndcg@10": "order of the first 10",
    "recall@10_distinct_queries": "any product of that title or design is, every distinct one asked once",
    "index_recall_text": "the index finds what exact search finds",
    "top1": "the classifier names the right category",
    "macro_f1": "the classifier, every category counted alike",
}


class AboutTab:
    """One page of facts. Read from the store when somebody looks, not for every tick of every page."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._history = SharedValue(lambda: search.history.served(_LINES), _KEPT_SECONDS)
        self.seen = gr.State(False)
        self.facts = gr.HTML(message("About this release", "One moment."), elem_id="about", elem_classes="found")

    def show(self) -> Html:
        """All facts about the live release, or why there are none."""
        status = self._search.live.status()
        snapshot = status.snapshot
        if snapshot is None:
            return notice(status)
        history, error = self._read_history(snapshot)
        return render(
            "about",
            status=status,
            snapshot=snapshot,
            warnings=[*warnings(status), *(f"Warning: {gate}" for gate in snapshot.release.gates if gate.warning)],
            quality=_quality(snapshot.release.quality),
            history=history,
            history_error=error,
            most_removed=_MOST_REMOVED,
            prefect_url=self._search.settings.prefect_url,
        )

    def _read_history(self, snapshot: Snapshot) -> tuple[list[HistoryEntry], ProductSearchError | None]:
        try:
            return self._history.get((snapshot.release.id, snapshot.pointer.generation)), None
        except ProductSearchError as error:
            return [], error


def _quality(figures: dict[str, float]) -> list[tuple[str, str, float]]:
    """Name, meaning and value of each figure, those that are known first."""
    known, others = [name for name in _FIGURES if name in figures], sorted(figures.keys() - _FIGURES.keys())
    return [(name, _FIGURES.get(name, ""), figures[name]) for name in (*known, *others)]
