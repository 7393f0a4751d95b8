"""The page: search by words, search by picture, and what answers. Gradio Blocks over the same queries as the API."""

import logging
from pathlib import Path
from typing import Any

import gradio as gr

from app.errors import AppError, BadPicture
from app.page import cards
from app.query.answers import Answer
from app.query.search import Search
from tasks.schema.errors import ProductSearchError

log = logging.getLogger(__name__)

CSS = Path(__file__).with_name("page.css")
_PRESSED = """
element.addEventListener('click', (event) => {
  const pressed = event.target.closest('[data-like], [data-query]');
  if (!pressed || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger('click', {like: pressed.dataset.like ?? null, query: pressed.dataset.query ?? null});
});
// a picture whose product has left the catalogue meanwhile says so instead of showing a torn icon
element.addEventListener('error', (event) => event.target.closest?.('.frame')?.classList.add('gone'), true);
"""
_TO_BANNER = """() => {
  const banner = document.querySelector('#similar .banner');
  if (banner && banner.offsetParent) banner.scrollIntoView({block: 'center'});
}"""
_UPLOADS_KEPT = (600, 3600)  # seconds: how often to look, and how old an upload may get on this disk
_WORDS, _PICTURE = "words", "picture"
_HINT = "Describe a product, or press one of the examples."
_PICTURE_HINT = "Upload, paste or take a picture, or press “More like this” on any product."


def theme() -> gr.themes.Base:
    """Quiet, one blue, light or dark as the visitor's system is; only fonts that every system has."""
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=system,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#10161d",
        block_border_width="0px",
        block_shadow="none",
        block_background_fill="transparent",
        button_primary_background_fill="#0b67ac",
        button_primary_background_fill_hover="#095289",
        button_primary_text_color="white",
        button_primary_background_fill_dark="#0b67ac",
        button_primary_background_fill_hover_dark="#0e7bcc",
        block_background_fill_dark="transparent",
        block_border_width_dark="0px",
    )


def _upload_field(**options: Any) -> gr.Image:
    """Gradio's picture field, giving the path of the file as it came: `Uploads` alone opens strangers' bytes.

    `app.page.door` has checked that the path is that of an upload. (Replaced on the instance, because for a subclass
    Gradio writes a .pyi file beside this module and looks for a frontend of its own.)
    """
    field = gr.Image(type="filepath", image_mode=None, **options)
    field.preprocess = lambda payload: payload.path if payload is not None else None  # type: ignore[method-assign]
    return field


class Page:
    """What happens on the page. Every method returns HTML and never raises towards the visitor."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def words(self, text: str) -> str:
        """Cards for a text query; the hint where nothing was typed."""
        if not (text or "").strip():
            return cards.state("What are you looking for?", _HINT)
        return self._told(lambda: cards.cards(self._search.by_text(text)))

    def picture(self, path: str | None) -> tuple[str, str]:
        """Cards and predicted categories for an uploaded file."""
        if not path:
            return cards.state("Search by picture", _PICTURE_HINT), ""
        try:
            answer = self._search.by_picture(self._search.uploads.decode(Path(path).read_bytes()))
        except (AppError, ProductSearchError, OSError) as error:
            return self._fault(error), ""
        return cards.cards(answer), cards.categories(answer.categories)

    def like(self, item_id: str) -> tuple[str, str]:
        """Cards like a product, below a banner with the product itself, and its predicted categories."""
        try:
            answer: Answer = self._search.like_item(item_id)
        except (AppError, ProductSearchError) as error:
            return self._fault(error), ""
        banner = cards.like_banner(answer.like) if answer.like else ""
        return banner + cards.cards(answer), cards.categories(answer.categories)

    def examples(self) -> str:
        """Chips with queries that the live catalogue can answer."""
        snapshot = self._search.live.status().snapshot
        return cards.chips(snapshot.items.sample_queries) if snapshot else ""

    def notice(self) -> str:
        """A designed state while no release answers."""
        return cards.notice(self._search.live.status())

    def foot(self) -> str:
        """The line that names the release."""
        return cards.foot(self._search.live.status(), self._search.settings.prefect_url)

    def _told(self, answer: Any) -> str:
        try:
            return answer()
        except (AppError, ProductSearchError) as error:
            return self._fault(error)

    def _fault(self, error: Exception) -> str:
        if isinstance(error, AppError):
            if error.status == 503:
                return self.notice() or cards.state(error.title, str(error))
            return cards.state(error.title, str(error), "bad")
        log.warning("A query failed: %s", error)
        title = "The picture cannot be used" if isinstance(error, BadPicture) else "This did not work"
        return cards.state(title, str(error), "bad")


def build_page(search: Search) -> gr.Blocks:
    """The Blocks to mount."""
    page = Page(search)
    with gr.Blocks(
        title="Product search", analytics_enabled=False, fill_width=True, delete_cache=_UPLOADS_KEPT
    ) as blocks:
        gr.HTML('<header class="head"><h1>Product search</h1><p>By words or by picture.</p></header>')
        notice = gr.HTML("", elem_classes="notice")
        with gr.Tabs(selected=_WORDS, elem_classes="tabs") as tabs:
            with gr.Tab("Words", id=_WORDS):
                with gr.Row(elem_classes="ask", equal_height=True):
                    query = gr.Textbox(
                        placeholder="e.g. blue striped mug", show_label=False, container=False, max_lines=1, scale=6,
                        elem_id="query", max_length=search.settings.max_query_chars, autofocus=True,
                    )  # fmt: skip
                    go = gr.Button("Search", variant="primary", scale=1, min_width=96, elem_id="go")
                chips = gr.HTML("", js_on_load=_PRESSED, elem_id="chips")
                found = gr.HTML(cards.state("What are you looking for?", _HINT), js_on_load=_PRESSED, elem_id="found")
            with gr.Tab("Picture", id=_PICTURE), gr.Row(elem_classes="look"):
                with gr.Column(scale=1, min_width=260, elem_classes="drop"):
                    upload = _upload_field(
                        sources=["upload", "clipboard", "webcam"], height=260, show_label=False, buttons=[],
                        elem_id="upload",
                    )  # fmt: skip
                    labels = gr.HTML("", elem_id="labels")
                with gr.Column(scale=3, min_width=300):
                    similar = gr.HTML(
                        cards.state("Search by picture", _PICTURE_HINT), js_on_load=_PRESSED, elem_id="similar"
                    )
        foot = gr.HTML("", elem_id="foot")
        _connect(page, blocks, {
            "tabs": tabs, "query": query, "go": go, "chips": chips, "found": found,
            "upload": upload, "labels": labels, "similar": similar, "notice": notice, "foot": foot,
        })  # fmt: skip
    return blocks


def _connect(page: Page, blocks: gr.Blocks, at: dict[str, Any]) -> None:
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    busy: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": 8}
    busy["trigger_mode"] = "always_last"  # a press during a slow answer waits its turn; by default Gradio drops it
    gr.on([at["query"].submit, at["go"].click], page.words, at["query"], at["found"], **busy)
    at["upload"].input(page.picture, at["upload"], [at["similar"], at["labels"]], **busy)

    def press(event: gr.EventData) -> tuple[Any, ...]:
        """A chip fills the query and searches; a card opens the picture tab with what is like it."""
        pressed = event._data or {}
        if pressed.get("query"):
            return gr.skip(), pressed["query"], page.words(pressed["query"]), gr.skip(), gr.skip(), gr.skip()
        if pressed.get("like"):
            return gr.Tabs(selected=_PICTURE), gr.skip(), gr.skip(), None, *page.like(pressed["like"])
        return tuple(gr.skip() for _ in range(6))

    to = [at[name] for name in ("tabs", "query", "found", "upload", "similar", "labels")]
    for pressable in ("chips", "found", "similar"):
        at[pressable].click(press, None, to, **busy).then(None, js=_TO_BANNER, **quiet)

    def arrive(request: gr.Request) -> tuple[Any, ...]:
        """An address may carry the query: ``/?q=red sofa`` or ``/?like=ITEM``."""
        asked = dict(request.query_params)
        if asked.get("like"):
            return gr.Tabs(selected=_PICTURE), gr.skip(), gr.skip(), gr.skip(), *page.like(asked["like"])
        if asked.get("q"):
            return gr.skip(), asked["q"], page.words(asked["q"]), gr.skip(), gr.skip(), gr.skip()
        return tuple(gr.skip() for _ in range(6))

    blocks.load(arrive, None, to, **quiet)
    told = gr.State(("", "", ""))
    watch = gr.Timer(3.0)

    def refresh(before: tuple[str, str, str]) -> tuple[Any, ...]:
        """Follow the live release while the page is open; answers nothing while nothing changed."""
        now = (page.notice(), page.examples(), page.foot())
        return (*(gr.skip() if a == b else b for a, b in zip(before, now, strict=True)), now)

    gr.on([blocks.load, watch.tick], refresh, told, [at["notice"], at["chips"], at["foot"], told], **quiet)
