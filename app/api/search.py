"""Search and categories over HTTP."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from PIL import Image
from pydantic import BaseModel, Json

from app.errors import BadRequest
from app.http.problems import problems
from app.query.answers import Answer, Answers, Categories
from app.query.filters import Filter
from app.query.question import Part, Question
from app.query.request import BatchRequest, SearchRequest
from app.query.search import Search
from app.query.suggest import SuggestionList, suggest

Upload = Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF")]

_MOST_SUGGESTIONS = 50


# Routes are plain functions: FastAPI runs them in threads, so that encoding never blocks the event loop.


def search_routes(search: Search) -> APIRouter:
    """Routes that search by JSON."""
    routes = APIRouter(prefix="/v1", tags=["search"])
    settings = search.settings

    @routes.post("/search", response_model=Answer, responses=problems(400, 404, 408, 409, 413, 422, 502, 503))
    def search_products(body: SearchRequest) -> Response:
        """Products by words, by image, like another product, or by any weighted mix of these; words in three modes."""
        return _json(search.answer(body.question(settings, search.uploads)))

    @routes.post("/search/batch", response_model=Answers, responses=problems(400, 404, 408, 409, 413, 422, 502, 503))
    def search_batch(body: BatchRequest) -> Response:
        """Several searches at once, all answered from one release."""
        if len(body.queries) > settings.max_batch:
            raise BadRequest(f"The batch has {len(body.queries)} queries, the limit is {settings.max_batch}.")
        return _json(search.answers([query.question(settings, search.uploads) for query in body.queries]))

    @routes.get("/suggest", response_model=SuggestionList, responses=problems(400, 422, 503))
    def suggest_searches(
        q: Annotated[str, Query(description="What was typed so far")],
        limit: Annotated[int, Query(ge=1, le=_MOST_SUGGESTIONS, description="How many suggestions")] = 8,
    ) -> Response:
        """Categories, brands, types and words of titles that begin with what is typed, to search for."""
        return _json(suggest(search.live, q, limit, settings.max_query_chars))

    return routes


def upload_routes(search: Search) -> APIRouter:
    """Routes that take an image as a form."""
    routes = APIRouter(prefix="/v1", tags=["search"])

    def decoded(image: UploadFile) -> Image.Image:
        return search.uploads.decode(image.file.read(search.settings.max_upload_bytes + 1))

    @routes.post("/search/image", response_model=Answer, responses=problems(400, 408, 413, 422, 502, 503))
    def search_by_upload(
        image: Upload,
        text: Annotated[str | None, Form(description="Words to go with the image: this, but in red")] = None,
        text_weight: Annotated[float, Form(ge=-10, le=10, description="Weight of the words; the image's is 1")] = 1.0,
        filter: Annotated[Json[Filter] | None, Form(description="As in /v1/search, as JSON")] = None,
        top_k: Annotated[int | None, Form()] = None,
        offset: Annotated[int, Form()] = 0,
    ) -> Response:
        """Products that look like an uploaded image, and that fit the words where there are some."""
        words = () if text is None or text_weight == 0 else (Part(text, text_weight),)
        question = Question((Part(decoded(image)), *words), where=filter, top_k=top_k, offset=offset)
        return _json(search.answer(question))

    @routes.post("/classify", responses=problems(400, 408, 409, 413, 422, 503))
    def classify(image: Upload, top_k: Annotated[int, Form(ge=1, le=100)] = 5) -> Categories:
        """Likely categories of an uploaded image."""
        return search.classify(decoded(image), top_k)

    return routes


def _json(answer: BaseModel) -> Response:
    """An answer as JSON. FastAPI would validate it again, in another thread."""
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
