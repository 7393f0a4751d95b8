"""Search by an image and words together: this, but in red, and without stripes."""

from dataclasses import replace
from typing import Any

import gradio as gr

from app.errors import AppError
from app.page import cards
from app.page.cards import pressed
from app.page.notices import state
from app.page.search_state import Asked
from app.page.tab import SearchTab, Updates, upload_field
from app.page.theme import PRESS
from tasks.schema.errors import ProductSearchError

EMPTY = state(
    "A picture, and what should be different",
    "Choose a picture or press “More like this” on a product, then say it in words: “this, but in red”.",
)


class BothTab(SearchTab):
    """An image or a product, words, words to keep away from, and how much each counts."""

    name, offers_words = "both", False

    def build(self) -> None:
        """Make the fields that are asked with."""
        longest = self._answering.search.settings.max_query_chars
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

    def read(self, asked: Asked, *values: Any) -> Asked:
        """What the fields say, the same filters."""
        like, image, words, minus, mix = values
        asked = replace(asked, words=str(words or ""), minus=str(minus or ""), mix=int(mix), shown=0)
        return replace(asked, like="" if image else like, image=image or "")

    def fill(self, asked: Asked) -> Updates:
        """A whole question."""
        words = {self.words: asked.words, self.minus: asked.minus, self.mix: asked.mix}
        return {
            self.like: asked.like,
            self.upload: asked.image or None,
            self.product: self._drawn(asked.like),
            **words,
        }

    def change(self, asked: Asked, press: Any) -> tuple[Asked, Updates] | None:
        """Also: take the product away."""
        match press:
            case {"drop": _}:
                return replace(asked, like="", image="", shown=0), {self.like: "", self.product: ""}
        return super().change(asked, press)

    def ask(self, asked: Asked, *values: Any) -> Updates:
        """An upload takes the place of the product."""
        now = self.read(asked, *values)
        return ({self.like: "", self.product: ""} if now.image else {}) | self.show(now)

    def _drawn(self, like: str) -> str:
        if not like:
            return ""
        action = (
            f'<button type="button" class="soft" aria-label="Take this product away" {pressed(drop=True)}>×</button>'
        )
        try:
            return cards.banner(self._answering.search.product(like), "This product", action)
        except (AppError, ProductSearchError):
            return ""
