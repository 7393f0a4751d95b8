"""A visitor's question to HTML. Nothing here raises towards the visitor."""

from dataclasses import dataclass

from app.errors import AppError
from app.page import facets
from app.page.notices import fault, is_busy
from app.page.search_state import SearchState
from app.page.templates import Html, render
from app.query.answers import Answer
from app.query.search import Search
from tasks.schema.errors import ProductSearchError


@dataclass(frozen=True)
class Found:
    """What a tab shows. ``busy``: the same question may be asked again in a moment; ``failed``: there is no answer."""

    html: Html
    state: SearchState
    busy: bool = False
    failed: bool = False


class Presenter:
    """Asks the live release, and renders its answers."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def find(self, state: SearchState, offers_words: bool = True) -> Found:
        """Filters and cards for a question, or why there are none; an image's with an offer to add words."""
        status = self.search.live.status()
        columns = status.snapshot.row_filters.columns if status.snapshot else None
        if columns:
            state = state.known(columns.text)
        shown = min(state.shown or self.search.settings.top_k, self.search.settings.max_top_k)
        try:
            answer = self.search.answer(state.question(self.search.uploads, shown))
        except (AppError, ProductSearchError, OSError) as error:
            filters = facets.in_force(state)
            html = render("failed", state=state, filters=filters, fault=fault(error, status))
            return Found(html, state, busy=is_busy(error, status), failed=True)
        prices = facets.price_range(columns.price_range if columns else None, state)
        return Found(self._results(answer, state, prices, shown, offers_words), state)

    def _results(
        self,
        answer: Answer,
        state: SearchState,
        prices: tuple[float, float] | None,
        shown: int,
        offers_words: bool,
    ) -> Html:
        most = self.search.settings.max_top_k
        return render(
            "results",
            answer=answer,
            state=state,
            facets=facets.groups(answer.facets or []),
            price_range=prices,
            filters=facets.in_force(state),
            best=max((hit.score for hit in answer.hits), default=0.0),
            shown=shown,
            most=most,
            more=min(shown + self.search.settings.top_k, most),
            shows_banner=offers_words and bool(state.like or state.image),
            refine={"like": state.like} if state.like else {"picture": True},
        )
