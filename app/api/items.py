"""Products and their images. Only those of the live release: no caller's path reaches a file or the store."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from app.http.problems import problems
from app.query.search import Search
from app.serving.items import Product

_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "JPEG", "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "What `If-None-Match` names is still the image"},
}


def item_routes(search: Search) -> APIRouter:
    """Routes under ``/v1/items``."""
    routes = APIRouter(prefix="/v1/items", tags=["items"])

    @routes.get("/{item_id:path}/image", response_class=Response, responses=_IMAGE | problems(404, 422, 502, 503))
    def picture(item_id: str, v: str | None = None, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Image of a product. With ``v`` (its hash) the answer may be cached for ever."""
        sha256 = search.image_hash(item_id, shown=v)
        forever = "public, max-age=31536000, immutable"
        headers = {"ETag": f'"{sha256}"', "Cache-Control": forever if v == sha256 else "no-cache"}
        if if_none_match and sha256 in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(search.images.read(sha256), media_type="image/jpeg", headers=headers)

    @routes.get("/{item_id:path}", responses=problems(404, 422, 503))
    def product(item_id: str) -> Product:
        """One product of the live release."""
        return search.product(item_id)

    return routes
