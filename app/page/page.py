"""The page: its tabs, how a press leads from one to another, and how it follows the live release."""

from typing import Any

import gradio as gr

from app.page import both, gradio_patches, image, notices, words
from app.page.about import AboutTab
from app.page.compare import CompareTab
from app.page.gradio_patches.presses import take_presses
from app.page.presenter import Presenter
from app.page.search_state import SearchState
from app.page.tab import QUIET, WAITED, SearchTab, Updates
from app.page.templates import render
from app.page.theme import FOLLOW
from app.query.search import Search

_HEAD = """<header class="head"><h1>Product search</h1><p>By words, by picture, or by both.</p>
<p class="gone" role="status">The app does not answer. This page goes on by itself as soon as it does.</p></header>"""
_UPLOADS_KEPT = (600, 3600)  # seconds: how often to look, and how old an upload may get on this disk
# after a press that opens another tab, the eye and the keyboard go to what it found
_TO_BANNER = """() => {
  const banner = [...document.querySelectorAll('.found .banner')].find((one) => one.offsetParent);
  if (banner) banner.scrollIntoView({block: 'center'});
}"""


class Page:
    """The Blocks, with their parts by name."""

    def __init__(self, search: Search) -> None:
        self._search = search
        presenter = Presenter(search)
        with gr.Blocks(
            title="Product search", analytics_enabled=False, fill_width=True, delete_cache=_UPLOADS_KEPT
        ) as self.blocks:
            self._presses = gr.JSON(visible=False)  # stays empty: its input is what a call takes from the page
            gr.HTML(_HEAD)
            self._notice = gr.HTML("", elem_classes="notice")
            with gr.Tabs(selected="words", elem_classes="tabs") as self._tabs:
                with gr.Tab("Words", id="words"):
                    self._words = words.WordsTab(presenter, words.EMPTY)
                with gr.Tab("Picture", id="picture"):
                    self._image = image.ImageTab(presenter, image.EMPTY)
                with gr.Tab("Both", id="both"):
                    self._both = both.BothTab(presenter, both.EMPTY)
                with gr.Tab("Compare", id="compare") as self._compared:
                    self._compare = CompareTab(search)
                with gr.Tab("About", id="about") as self._about_tab:
                    self._about = AboutTab(search)
            self._foot = gr.HTML("", js_on_load=FOLLOW, elem_id="foot")
            self._connect()

    @property
    def _searching(self) -> tuple[SearchTab, ...]:
        return (self._words, self._image, self._both)

    def _connect(self) -> None:
        outputs = [self._tabs, *(part for tab in self._searching for part in tab.outputs)]
        for tab in self._searching:
            tab.connect()
            pressed = self._pressed_on(tab)
            for part in tab.pressable:
                inputs = [self._presses, tab.state]
                js = take_presses(str(part.elem_id))
                shown = part.click(pressed, inputs, outputs, js=js, show_progress_on=tab.found, **WAITED)
                shown.then(None, js=_TO_BANNER, **QUIET)
        self.blocks.load(self._arrive, None, outputs, **QUIET)
        self._connect_looks()
        self._follow()

    def _pressed_on(self, tab: SearchTab) -> Any:
        def pressed(presses: Any, state: SearchState) -> Updates:
            """Everything pressed on the tab since its last answer, in order; of what leads elsewhere, the last."""
            presses = presses if isinstance(presses, list) else []
            updates = {self._tabs: gr.skip(), **tab.changed(state, presses)}
            now = updates.get(tab.state, state)
            leads = [lead for press in presses if (lead := self._lead(press, now))]
            return updates | self._opened(*leads[-1]) if leads else updates

        return pressed

    def _lead(self, press: Any, state: SearchState) -> tuple[SearchTab, SearchState] | None:
        """A chip searches, a card opens what is like it, an image may be refined in words."""
        match press:
            case {"query": str(query)}:
                return self._words, SearchState(words=query)
            case {"like": str(item_id)}:
                return self._image, SearchState(like=item_id)
            case {"refine": _}:
                return self._both, SearchState(like=state.like, image=state.image, chosen=state.chosen)
        return None

    def _opened(self, tab: SearchTab, state: SearchState) -> Updates:
        return {self._tabs: gr.Tabs(selected=tab.name), **tab.fill(state), **tab.show(state)}

    def _arrive(self, request: gr.Request) -> Updates:
        """An address may carry a question: ``/?q=red sofa``, ``/?like=ITEM``, with filters: ``&color=red``."""
        state = SearchState.from_address(request.query_params.multi_items())
        if not state.anything:
            return {self._tabs: gr.skip()}
        if state.like and not state.words and not state.minus:
            return self._opened(self._image, state)
        return self._opened(self._both if state.like or state.minus else self._words, state)

    def _connect_looks(self) -> None:
        self._compare.connect()
        self._compared.select(self._compare.choices, self._compare.other, self._compare.other, **QUIET)
        self._about_tab.select(lambda: (self._about.show(), True), None, [self._about.facts, self._about.seen], **QUIET)

    def _follow(self) -> None:
        shown_before = gr.State(("", "", "", None))
        states_of_tabs = [tab.state for tab in self._searching]
        seen = [self._about.seen, self._compare.query, self._compare.other]

        def follow(before: tuple[Any, ...], about_seen: bool, words: str, other: str, *states: SearchState) -> Updates:
            """Follow the live release while the page is open; answers nothing while nothing changed."""
            facts = self._about.show() if about_seen else ""
            now = (*self._now(), hash(facts))
            if now == before:
                return {shown_before: gr.skip()}
            shown = zip((self._notice, self._words.chips, self._foot), now, before, strict=False)
            updates: Updates = {part: new for part, new, old in shown if new != old}
            if before[3] is not None and now[3] != before[3]:
                for tab, question in zip(self._searching, states, strict=True):
                    updates |= tab.renew(question)
                updates |= self._compare.renew(words, other) if other else {}
            if facts and now[4:] != before[4:]:
                updates[self._about.facts] = facts
            return updates | {shown_before: now}

        outputs = [
            self._notice,
            self._words.chips,
            self._foot,
            shown_before,
            *states_of_tabs,
            *(tab.found for tab in self._searching),
        ]
        outputs += [self._compare.found, self._compare.other, self._about.facts]
        gr.on([self.blocks.load, self._foot.click], follow, [shown_before, *seen, *states_of_tabs], outputs, **QUIET)

    def _now(self) -> tuple[Any, ...]:
        """Notice, chips, foot, and what identifies the live release."""
        status = self._search.live.status()
        snapshot = status.snapshot
        return (
            notices.notice(status),
            render("chips", queries=snapshot.items.sample_queries if snapshot else ()),
            notices.foot(status, self._search.settings.prefect_url),
            (snapshot.release.id, snapshot.pointer.generation) if snapshot else None,
        )


def build_page(search: Search) -> gr.Blocks:
    """The Blocks to mount."""
    gradio_patches.apply()
    blocks: gr.Blocks = Page(search).blocks
    return blocks
