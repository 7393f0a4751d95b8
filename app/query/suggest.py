"""Type-ahead from the live release, and what to search for each suggestion."""

from pydantic import BaseModel, Field

from app.errors import BadRequest
from app.query.filters import And, Filter, In
from app.serving.live import Live
from app.serving.suggestions import Kind, Name

_COLUMNS = {
    "category": ("category",),
    "brand": ("brand",),
    "product_type": ("product_type",),
    "color_type": ("color", "product_type"),
    "title": (),
}


class SuggestedSearch(BaseModel, frozen=True):
    """Fields of a body of ``/v1/search``, to send as they are."""

    text: str
    filter: Filter | None = None


class Suggestion(BaseModel, frozen=True):
    """One name of the shop."""

    text: str = Field(description="As the shop writes it")
    kind: Kind = Field(description="Where it is from; color_type: a colour of a type; title: words of many titles")
    products: int = Field(description="How many pass the filter; of a title, how many have its words together")
    send: SuggestedSearch = Field(description="What finds them")


class SuggestionList(BaseModel, frozen=True):
    """Suggestions, those of most products first, and the one release they are of."""

    release: str
    generation: int
    suggestions: list[Suggestion]


def suggest(live: Live, typed: str, limit: int, max_chars: int) -> SuggestionList:
    """Names with words that begin with those typed. Raises BadRequest, NothingPublished."""
    if len(typed) > max_chars:
        raise BadRequest(f"q has {len(typed)} characters, the limit is {max_chars}.")
    with live.acquire() as snapshot:
        found = snapshot.suggestions.find(typed, limit)
        return SuggestionList(
            release=snapshot.release.id,
            generation=snapshot.pointer.generation,
            suggestions=[
                Suggestion(text=name.text, kind=name.key[0], products=products, send=_search(name))
                for name, products in found
            ],
        )


def _search(name: Name) -> SuggestedSearch:
    kind, values = name.key
    chosen = [_is(column, value) for column, value in zip(_COLUMNS[kind], values, strict=False)]
    text = name.text.replace("/", " ") if kind == "category" else name.text
    if len(chosen) > 1:
        return SuggestedSearch(text=text, filter=And.model_validate({"and": chosen}))
    return SuggestedSearch(text=text, filter=chosen[0] if chosen else None)


def _is(column: str, value: str) -> In:
    return In.model_validate({"column": column, "in": [value]})
