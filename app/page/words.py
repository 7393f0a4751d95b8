"""Search by words."""

from dataclasses import replace
from typing import Any

import gradio as gr

from app.page.notices import message
from app.page.search_state import SearchState
from app.page.tab import SearchTab, Updates
from app.page.theme import PRESS

EMPTY = message("What are you looking for?", "Describe a product, or press one of the examples.")


class WordsTab(SearchTab):
    """A line to type into, examples, and results."""

    name = "words"

    def build(self) -> None:
        """Make the input fields."""
        with gr.Row(elem_classes="ask", equal_height=True):
            self.query = gr.Textbox(
                label="What are you looking for?", placeholder="e.g. blue striped mug", show_label=False, max_lines=1,
                container=False, scale=6, elem_id="query", autofocus=True, submit_btn=False,
                max_length=self._presenter.search.settings.max_query_chars,
            )  # fmt: skip
            self.go = gr.Button("Search", variant="primary", scale=1, min_width=96, elem_id="go")
        self.chips = gr.HTML("", js_on_load=PRESS, elem_id="chips")

    @property
    def fields(self) -> list[Any]:
        """The query."""
        return [self.query]

    @property
    def asking(self) -> list[Any]:
        """Enter and the button."""
        return [self.query.submit, self.go.click]

    @property
    def pressable(self) -> list[gr.HTML]:
        """Also the examples."""
        return [*super().pressable, self.chips]

    def read(self, state: SearchState, *values: Any) -> SearchState:
        """Other words, the same filters."""
        return replace(state, words=str(values[0] or ""), exact=False, shown=0)

    def fill(self, state: SearchState) -> Updates:
        """The words of a question."""
        return {self.query: state.words}
