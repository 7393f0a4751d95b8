"""The body of a search request, and the question it asks."""

import base64
import binascii
from typing import Self

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from app.errors import BadImage
from app.query.filters import Filter
from app.query.question import RELEVANCE, Mode, Part, Question
from app.query.request_model import RequestModel
from app.query.uploads import Uploads
from app.settings import AppSettings

_KINDS = ("text", "item_id", "image")


class Term(RequestModel):
    """One part of a mixed query: exactly one of ``text``, ``item_id`` and ``image``, and its weight."""

    text: str | None = Field(None, description="What the product looks like, in words")
    item_id: str | None = Field(None, description="Products like this one of the catalogue")
    image: str | None = Field(None, description="An image, base64-encoded (or a data: URI)")
    weight: FiniteFloat = Field(
        1.0, ge=-10, le=10, description="How much it counts; below zero: what the product should not look like"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of text, item_id, image (found: {', '.join(given) or 'none'})")
        if self.weight == 0:
            raise ValueError("weight is 0: leave the term out, or give it a weight")
        return self

    def part(self, uploads: Uploads) -> Part:
        """The part of a question. Raises BadImage, Busy."""
        if self.text is not None:
            return Part(self.text, self.weight)
        if self.item_id is not None:
            return Part(self.item_id, self.weight, item=True)
        return Part(uploads.decode(_from_base64(self.image or "")), self.weight)


class SearchRequest(RequestModel):
    """What to search by: exactly one of ``text``, ``item_id``, ``image``, or ``terms`` for a mix of several."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "red sofa", "top_k": 5},
                {"terms": [{"item_id": "A1"}, {"text": "red"}, {"text": "stripes", "weight": -0.5}]},
                {"text": "mug", "filter": {"column": "price", "lt": 20}, "facets": ["brand", "color"]},
                {"text": "mug", "mode": "lexical", "sort": "-price"},
            ]
        },
    )

    text: str | None = Field(None, description="What the product looks like, in words")
    item_id: str | None = Field(None, description="Products like this one of the catalogue")
    image: str | None = Field(None, description="An image, base64-encoded (or a data: URI)")
    terms: tuple[Term, ...] | None = Field(None, description="Several parts, mixed by their weights")
    filter: Filter | None = Field(None, description="Which products may answer: and, or, not, in, ranges")
    top_k: int | None = Field(None, description="How many results")
    mode: Mode = Field(
        "vector",
        description="vector: by how images look; lexical: by the words of the shop, typos mended; hybrid: both, fused. "
        "The last two take `text` alone. auto: hybrid where that can be, else vector",
    )
    correct: bool = Field(True, description="Mend typos in the words, by those of the shop; lexical and hybrid only")
    offset: int = Field(0, description="How many results to pass over, for the next page")
    sort: str = Field(
        RELEVANCE,
        description="relevance; or price, or an attribute that holds numbers: the lowest first, with - before it the "
        "highest. Sorted are all products that have any of the words (mode lexical), else the best 200; those without "
        "the number come last",
    )
    facets: tuple[str, ...] = Field(
        (), max_length=32, description="Columns whose values to count under the filter; * for those worth choosing by"
    )

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        given = [name for name in (*_KINDS, "terms") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of text, item_id, image, terms (found: {', '.join(given) or 'none'})")
        return self

    def question(self, settings: AppSettings, uploads: Uploads) -> Question:
        """The question it asks, with every image decoded. Raises BadImage, Busy."""
        single = {name: getattr(self, name) for name in _KINDS if getattr(self, name) is not None}
        terms = self.terms if self.terms is not None else (Term.model_validate(single),)
        return Question(
            # one beyond the limit is enough to refuse them; the rest is not decoded
            tuple(term.part(uploads) for term in terms[: settings.max_terms + 1]),
            where=self.filter,
            top_k=self.top_k,
            offset=self.offset,
            facets=self.facets,
            mode=self.mode,
            correct=self.correct,
            sort=self.sort,
        )


class BatchRequest(RequestModel):
    """Several searches at once, answered from one release."""

    queries: tuple[SearchRequest, ...] = Field(min_length=1, description="Answered in this order")


def _from_base64(text: str) -> bytes:
    encoded = text.split(",", 1)[1] if text.startswith("data:") and "," in text else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadImage("`image` is not base64. Encode the file's bytes, or send it to /v1/search/image.") from None
