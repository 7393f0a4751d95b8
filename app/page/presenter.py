"""A visitor's question to HTML. Nothing here raises towards the visitor."""

from dataclasses import dataclass

from app.errors import AppError
from app.page import cards, facets
from app.page.cards import escape, pressed
from app.page.notices import fault, is_busy, state
from app.page.search_state import Asked
from app.query.answers import Answer
from app.query.search import Search
from tasks.schema.errors import ProductSearchError


@dataclass(frozen=True)
class Found:
    """What a tab shows. ``busy``: the same question may be asked again in a moment; ``failed``: it is a fault."""

    html: str
    asked: Asked
    busy: bool = False
    failed: bool = False


class Answering:
    """Asks the live release, and draws what it answers."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def find(self, asked: Asked, offers_words: bool = True) -> Found:
        """Filters and cards for a question, or why there are none; an image's with an offer to add words."""
        status = self.search.live.status()
        if status.snapshot:
            asked = asked.known(status.snapshot.row_filters.columns.text)
        shown = min(asked.shown or self.search.settings.top_k, self.search.settings.max_top_k)
        try:
            answer = self.search.answer(asked.question(self.search.uploads, shown))
        except (AppError, ProductSearchError, OSError) as error:
            address = _address(asked)
            html = f"<div {cards.numbered()} {address}>{facets.chosen(asked)}{fault(error, status)}</div>"
            return Found(html, asked, busy=is_busy(error, status), failed=True)
        prices = status.snapshot.row_filters.columns.price_range if status.snapshot else None
        return Found(self._results(answer, asked, prices, shown, _banner(answer, asked) if offers_words else ""), asked)

    def _results(
        self, answer: Answer, asked: Asked, prices: tuple[float, float] | None, shown: int, banner: str
    ) -> str:
        panel = facets.panel(answer.facets or [], asked, prices)
        body = cards.grid(answer.hits) + self._more(answer, shown) if answer.hits else _nothing(asked)
        return f"""<div class="search" {cards.numbered()} {_address(asked)}>{panel}
<section class="results" aria-label="Results">{banner}
<p class="told" role="status" tabindex="-1" data-key="told">{_told(answer)}</p>{facets.chosen(asked)}{body}
</section></div>"""

    def _more(self, answer: Answer, shown: int) -> str:
        most = self.search.settings.max_top_k
        if len(answer.hits) < shown or len(answer.hits) >= answer.total:
            return ""
        if shown >= most:
            return f'<p class="more">These are the {shown} best. Filters or other words bring up more.</p>'
        more = min(shown + self.search.settings.top_k, most)
        then = f'data-key="more" data-then="card-{shown + 1}"'
        return f'<p class="more"><button type="button" {then} {pressed(more=more)}>Show more</button></p>'


def _told(answer: Answer) -> str:
    found = "1 product" if len(answer.hits) == 1 else f"{len(answer.hits)} products"
    of = f" of {answer.total:,}" if answer.total > len(answer.hits) else ""
    return f"{found}{of}, best first · {answer.milliseconds:.0f} ms"


def _nothing(asked: Asked) -> str:
    if asked.filtered:
        words = "Take one away, or all of them."
        return state("No product fits these filters", words, action=facets.clear_button("Clear all filters"))
    return state("Nothing found", "This release holds no product yet. Add products to the shop and run the pipeline.")


def _banner(answer: Answer, asked: Asked) -> str:
    if not (asked.like or asked.image):
        return ""
    refine = {"like": asked.like} if asked.like else {"picture": True}
    action = f'<button type="button" class="soft" {pressed(refine=refine)}>Refine with words</button>'
    title = "More like" if answer.like else "Products like your picture"
    return f'<div class="seen">{cards.banner(answer.like, title, action)}{cards.categories(answer.categories)}</div>'


def _address(asked: Asked) -> str:
    return f'data-address="{escape(asked.address)}"'
