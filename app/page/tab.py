"""What the tabs Words, Picture and Both share: the state of a search, its results, and how they change."""

import random
from dataclasses import replace
from typing import Any

import gradio as gr

from app.page.presenter import Presenter
from app.page.search_state import SearchState
from app.page.theme import PRESS

Updates = dict[Any, Any]

#: Events that nobody waits for, and those that somebody does. Without Gradio's queue each call is one request and its
#: answer: with it, an answer comes over an event stream, and one that arrives as the stream closes can be lost.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
WAITED: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "minimal",
    "queue": False,
    "trigger_mode": "always_last",  # an event during a slow answer is answered after it; by default Gradio drops it
}


class SearchTab:
    """One tab that searches. Built inside its ``gr.Tab``; ``connect`` once every tab is built."""

    name: str
    offers_words = True  # whether a search by image may go on in words, on another tab

    def __init__(self, presenter: Presenter, empty: str) -> None:
        """``empty``: HTML shown before the first search."""
        self._presenter, self._empty = presenter, empty
        self.build()
        self.state = gr.State(SearchState())
        self.found = gr.HTML(empty, js_on_load=PRESS, elem_id=f"{self.name}-found", elem_classes="found")
        self._again = gr.Timer(3, active=False)

    def build(self) -> None:
        """Make the input fields."""
        raise NotImplementedError

    @property
    def fields(self) -> list[Any]:
        """The input fields, in the order in which `read` takes their values."""
        raise NotImplementedError

    @property
    def asking(self) -> list[Any]:
        """The events that ask."""
        raise NotImplementedError

    def read(self, state: SearchState, *values: Any) -> SearchState:
        """The question in the fields, under the filters of the one before."""
        raise NotImplementedError

    def fill(self, state: SearchState) -> Updates:
        """Fields that show a question which was not typed into them."""
        raise NotImplementedError

    @property
    def outputs(self) -> list[Any]:
        """Everything that an answer changes."""
        return [*self.fields, self.state, self.found, self._again]

    @property
    def pressable(self) -> list[gr.HTML]:
        """Pieces with something to press in them."""
        return [self.found]

    def show(self, state: SearchState) -> Updates:
        """Ask, and show what is answered."""
        if not state.anything:
            return {self.state: state, self.found: self._empty, self._again: gr.Timer(active=False)}
        found = self._presenter.find(state, self.offers_words)
        wait = random.uniform(2, 4)  # pages that were refused together do not come back together
        return {self.state: found.state, self.found: found.html, self._again: gr.Timer(wait, active=found.busy)}

    def renew(self, state: SearchState) -> Updates:
        """The same question to a release that went live meanwhile; what stands there stays where that fails."""
        if not state.anything:
            return {}
        found = self._presenter.find(state, self.offers_words)
        return {} if found.failed else {self.state: found.state, self.found: found.html}

    def changed(self, state: SearchState, presses: list[Any]) -> Updates:
        """What presses among the results do within the tab, answered once; nothing where all lead elsewhere."""
        known, updates = False, Updates()
        for press in presses:
            if change := self.change(state, press):
                known, state, updates = True, change[0], updates | change[1]
        return updates | self.show(state) if known else {}

    def change(self, state: SearchState, press: Any) -> tuple[SearchState, Updates] | None:
        """The question after a press, and fields that change with it; None for a press of another kind."""
        match press:
            case {"toggle": [str(column), str(value)]}:
                return state.toggled(column, value), {}
            case {"price": [least, most]}:
                return state.with_price(least, most), {}
            case {"clear": _}:
                return state.cleared(), {}
            case {"exact": _}:
                return replace(state, exact=True, shown=0), {}
            case {"more": int(shown)}:
                return replace(state, shown=max(0, shown)), {}
            case {"reset": _}:
                return SearchState(), self.fill(SearchState())
        return None

    def connect(self) -> None:
        """Ask when the fields say so, and again while the app is busy."""
        inputs = [self.state, *self.fields]
        gr.on(self.asking, self.ask, inputs, self.outputs, show_progress_on=self.found, **WAITED)
        self._again.tick(self.show, self.state, [self.state, self.found, self._again], **QUIET)

    def ask(self, state: SearchState, *values: Any) -> Updates:
        """Search for what the fields say."""
        return self.show(self.read(state, *values))


def upload_field(**options: Any) -> gr.Image:
    """Gradio's image field. Its value is the path of the file as it came, see `gradio_patches.image_path`."""
    sources: Any = ["upload", "clipboard", "webcam"]
    return gr.Image(
        type="filepath",
        image_mode=None,
        sources=sources,
        show_label=False,
        buttons=[],
        alt_text="Your picture",
        **options,
    )
