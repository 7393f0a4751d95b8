"""Search and categories over HTTP."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from PIL import Image
from pydantic import Json

from app.errors import BadRequest
from app.query.answers import Answer, Answers, Categories
from app.query.filters import Filter
from app.query.question import Part, Question
from app.query.request import BatchRequest, SearchRequest
from app.query.search import Search

Upload = Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF or BMP")]


def search_routes(search: Search) -> APIRouter:
    """Routes that search and classify."""
    routes = APIRouter(prefix="/v1", tags=["search"])
    settings = search.settings
    # plain functions: FastAPI runs them in threads, so that encoding never holds up the event loop

    def decoded(image: UploadFile) -> Image.Image:
        return search.uploads.decode(image.file.read(settings.max_upload_bytes + 1))

    @routes.post("/search")
    def search_products(body: SearchRequest) -> Answer:
        """Products by words, by picture, like another product, or by any weighted mix of these."""
        return search.answer(body.question(settings, search.uploads))

    @routes.post("/search/batch")
    def search_batch(body: BatchRequest) -> Answers:
        """Several searches at once, all answered from one release."""
        if len(body.queries) > settings.max_batch:
            raise BadRequest(f"The batch has {len(body.queries)} queries, the limit is {settings.max_batch}.")
        return search.answers([query.question(settings, search.uploads) for query in body.queries])

    @routes.post("/search/image")
    def search_by_upload(
        image: Upload,
        text: Annotated[str | None, Form(description="Words beside the picture: this, but in red")] = None,
        text_weight: Annotated[float, Form(ge=-10, le=10, description="Weight of the words; the picture's is 1")] = 1.0,
        filter: Annotated[Json[Filter] | None, Form(description="As in /v1/search, as JSON")] = None,
        top_k: Annotated[int | None, Form()] = None,
        offset: Annotated[int, Form()] = 0,
    ) -> Answer:
        """Products that look like an uploaded picture, with words beside it if you like."""
        words = () if text is None or text_weight == 0 else (Part(text, text_weight),)
        return search.answer(Question((Part(decoded(image)), *words), where=filter, top_k=top_k, offset=offset))

    @routes.post("/classify")
    def classify(image: Upload, top_k: Annotated[int, Form(ge=1, le=100)] = 5) -> Categories:
        """Likely categories of an uploaded picture."""
        return search.classify(decoded(image), top_k)

    return routes
