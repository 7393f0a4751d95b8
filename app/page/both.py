"""Search by an image and words together: this, but in red, and without stripes."""

from dataclasses import replace
from typing import Any

import gradio as gr

from app.errors import AppError
from app.page.notices import message
from app.page.search_state import SearchState
from app.page.tab import SearchTab, Updates, upload_field
from app.page.templates import render
from app.page.theme import PRESS
from tasks.schema.errors import ProductSearchError

EMPTY = message(
    "A picture, and what should be different",
    "Choose a picture or press “More like this” on a product, then say it in words: “this, but in red”.",
)


class BothTab(SearchTab):
    """An image or a product, words, words to keep away from, and how much each counts."""

    name, offers_words = "both", False

    def build(self) -> None:
        """Make the input fields."""
        longest = self._presenter.search.settings.max_query_chars
        with gr.Row(elem_classes="mix"):
            with gr.Column(scale=1, min_width=230):
                self.upload = upload_field(height=214, elem_id="both-upload", elem_classes="drop", label="Picture")
                self.product = gr.HTML("", js_on_load=PRESS, elem_id="both-product")
            with gr.Column(scale=3, min_width=280, elem_classes="ask"):
                self.words = gr.Textbox(
                    label="With these words", placeholder="e.g. in red", elem_id="both-words", max_lines=1,
                    max_length=longest,
                )  # fmt: skip
                self.minus = gr.Textbox(
                    label="Without", placeholder="e.g. stripes", elem_id="both-minus", max_lines=1, max_length=longest
                )
                with gr.Row(elem_classes="weigh"):
                    self.mix = gr.Slider(
                        0, 100, 50, step=5, label="How much the words count, in %", elem_id="both-mix",
                        buttons=[], scale=4, min_width=200,
                    )  # fmt: skip
                    self.go = gr.Button("Search", variant="primary", scale=1, min_width=96, elem_id="both-go")
        self.like = gr.State("")

    @property
    def fields(self) -> list[Any]:
        """Product, upload, words, minus words, weight."""
        return [self.like, self.upload, self.words, self.minus, self.mix]

    @property
    def outputs(self) -> list[Any]:
        """Also the product that stands in for an image."""
        return [*super().outputs, self.product]

    @property
    def asking(self) -> list[Any]:
        """Enter, the button, an image that arrives and the slider (by its release, the keyboard would not count)."""
        return [self.words.submit, self.minus.submit, self.go.click, self.upload.input, self.mix.input]

    @property
    def pressable(self) -> list[gr.HTML]:
        """Also the product."""
        return [*super().pressable, self.product]

    def read(self, state: SearchState, *values: Any) -> SearchState:
        """What the fields say, the same filters."""
        like, image, words, minus, mix = values
        state = replace(state, words=str(words or ""), minus=str(minus or ""), mix=int(mix), shown=0)
        return replace(state, like="" if image else like, image=image or "")

    def fill(self, state: SearchState) -> Updates:
        """A whole question."""
        words = {self.words: state.words, self.minus: state.minus, self.mix: state.mix}
        return {
            self.like: state.like,
            self.upload: state.image or None,
            self.product: self._drawn(state.like),
            **words,
        }

    def change(self, state: SearchState, press: Any) -> tuple[SearchState, Updates] | None:
        """Also: take the product away."""
        match press:
            case {"drop": _}:
                return replace(state, like="", image="", shown=0), {self.like: "", self.product: ""}
        return super().change(state, press)

    def ask(self, state: SearchState, *values: Any) -> Updates:
        """An upload takes the place of the product."""
        now = self.read(state, *values)
        return ({self.like: "", self.product: ""} if now.image else {}) | self.show(now)

    def _drawn(self, like: str) -> str:
        if not like:
            return ""
        try:
            return render("like", product=self._presenter.search.product(like))
        except (AppError, ProductSearchError):
            return ""
