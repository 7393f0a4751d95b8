"""The JSON API: search, categories, products and their pictures, and what is live.

Every fault is an ``application/problem+json`` (RFC 9457) that says what to change.
"""

import base64
import binascii
import logging
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, File, Form, Header, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException

from app.errors import AppError, BadPicture
from app.items import Product
from app.search import Answer, Categories, Search
from app.status import Refused
from app.uploads import decode_upload
from tasks.schema.errors import ArtifactMissing, ProductSearchError, TransientError

log = logging.getLogger(__name__)


class SearchRequest(BaseModel):
    """Exactly one of ``text``, ``item_id`` and ``image`` says what to search by."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(None, description="What the product looks like, in words")
    item_id: str | None = Field(None, description="Products like this one of the catalogue")
    image: str | None = Field(None, description="A picture, base64-encoded (or a data: URI)")
    top_k: int | None = Field(None, description="How many results")

    @model_validator(mode="after")
    def _one_query(self) -> "SearchRequest":
        given = [name for name in ("text", "item_id", "image") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of text, item_id, image (found: {', '.join(given) or 'none'})")
        return self


def add_api(app: FastAPI, search: Search) -> None:
    """Put the routes and the problem+json handlers on ``app``."""
    _explain_faults(app)
    for router in (_search_routes(search), _item_routes(search), _state_routes(search)):
        app.include_router(router)


def _decode(search: Search, content: bytes) -> Any:
    return decode_upload(content, search.settings.max_upload_bytes, search.settings.max_pixels)


def _decode_base64(search: Search, text: str) -> Any:
    encoded = text.split(",", 1)[1] if text.startswith("data:") and "," in text else text
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture("`image` is not base64. Encode the file's bytes, or send it to /v1/search/image.") from None
    return _decode(search, content)


def _search_routes(search: Search) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["search"])
    # plain functions: FastAPI runs them in threads, so that encoding never holds up the event loop

    @routes.post("/search")
    def search_products(body: SearchRequest) -> Answer:
        """Products by words, by picture, or like another product."""
        if body.text is not None:
            return search.by_text(body.text, body.top_k)
        if body.item_id is not None:
            return search.like_item(body.item_id, body.top_k)
        return search.by_picture(_decode_base64(search, body.image or ""), body.top_k)

    @routes.post("/search/image")
    def search_by_upload(
        image: Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF or BMP")],
        top_k: Annotated[int | None, Form()] = None,
    ) -> Answer:
        """Products that look like an uploaded picture."""
        return search.by_picture(_decode(search, image.file.read(search.settings.max_upload_bytes + 1)), top_k)

    @routes.post("/classify")
    def classify(image: Annotated[UploadFile, File()], top_k: Annotated[int, Form(ge=1, le=100)] = 5) -> Categories:
        """Likely categories of an uploaded picture."""
        return search.classify(_decode(search, image.file.read(search.settings.max_upload_bytes + 1)), top_k)

    return routes


def _item_routes(search: Search) -> APIRouter:
    routes = APIRouter(prefix="/v1/items", tags=["items"])

    @routes.get("/{item_id:path}/image", response_class=Response)
    def picture(item_id: str, v: str | None = None, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Picture of a product. With ``v`` (its hash) the answer may be kept for ever."""
        sha256 = search.picture_hash(item_id, shown=v)
        forever = "public, max-age=31536000, immutable"
        headers = {"ETag": f'"{sha256}"', "Cache-Control": forever if v == sha256 else "no-cache"}
        if if_none_match and sha256 in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(search.pictures.read(sha256), media_type="image/jpeg", headers=headers)

    @routes.get("/{item_id:path}")
    def product(item_id: str) -> Product:
        """One product of the live release."""
        return search.product(item_id)

    return routes


def _state_routes(search: Search) -> APIRouter:
    routes = APIRouter(tags=["state"])

    @routes.get("/v1/release")
    def release() -> dict[str, Any]:
        """The release that answers now, whole: what it is made of, its gates and figures, since when."""
        with search.live.acquire() as snapshot:
            pointer = snapshot.pointer.model_dump(mode="json")
            return {**snapshot.release.model_dump(mode="json"), "live": pointer, "model_name": snapshot.model_name}

    @routes.get("/healthz")
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def ready(response: Response) -> dict[str, Any]:
        """Queries can be answered (200) or not (503). A stale release is ready; it says so."""
        status = search.live.status()
        response.status_code = 200 if status.snapshot else 503
        return {
            "ready": status.snapshot is not None,
            "release": status.snapshot.release.id if status.snapshot else None,
            "generation": status.snapshot.pointer.generation if status.snapshot else None,
            "stale": status.stale,
            "loading": status.loading,
            "live_seconds": status.live_seconds,
            "resident": status.resident,
            "most_resident": status.most_resident,
            "store_error": status.store_error,
            "refused": _refused(status.refused) if status.refused else None,
            "checked_at": status.checked_at.isoformat() if status.checked_at else None,
            "checked_seconds": status.checked_seconds,
        }

    return routes


def _refused(refused: Refused) -> dict[str, Any]:
    told = {"release": refused.release, "reason": refused.reason}
    return {**told, "attempts": refused.attempts, "again_in_seconds": round(refused.again_in, 1)}


def _explain_faults(app: FastAPI) -> None:
    @app.exception_handler(AppError)
    def of_app(request: Request, error: AppError) -> JSONResponse:
        return problem(error.status, error.title, str(error))

    @app.exception_handler(ProductSearchError)
    def of_product(request: Request, error: ProductSearchError) -> JSONResponse:
        log.warning("%s %s: %s", request.method, request.url.path, error)
        if isinstance(error, TransientError):
            return problem(503, "The store does not answer", str(error))
        if isinstance(error, ArtifactMissing):
            return problem(404, "Not in the store", str(error))
        return problem(502, "The store holds something that cannot be used", str(error))

    @app.exception_handler(RequestValidationError)
    def of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        return problem(422, "The request is not understood", "; ".join(faults))

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), str(error.detail), dict(error.headers or {}))


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An RFC 9457 answer."""
    more = {"Retry-After": "5"} if status == 503 else {}
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, {**(headers or {}), **more}, media_type="application/problem+json")
