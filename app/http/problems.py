"""Every fault is an ``application/problem+json`` (RFC 9457) that says what to change."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.errors import AppError
from tasks.schema.errors import ArtifactMissing, ProductSearchError, TransientError

log = logging.getLogger(__name__)
_MOST_FAULTS = 20  # named in one answer
_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not answered, and what to change."""

    type: str = Field(description="Always about:blank: the title tells which problem it is")
    title: str
    status: int
    detail: str = Field(description="What was found, what was expected, what to do")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares in the OpenAPI: the problem documents that it may answer with."""
    content = {_TYPE: {"schema": Problem.model_json_schema()}}
    every = (401, *statuses)  # where a key is set
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in every}


def explain_faults(app: FastAPI) -> None:
    """Answer every fault of ``app`` with a problem document."""

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
        found = error.errors()
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in found[:_MOST_FAULTS]]
        more = [f"and {len(found) - _MOST_FAULTS} more"] if len(found) > _MOST_FAULTS else []
        return problem(422, "The request is not understood", "; ".join(faults + more))

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), str(error.detail), dict(error.headers or {}))


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An RFC 9457 answer."""
    more = {"Retry-After": "5"} if status == 503 else {}
    body = Problem(type="about:blank", title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status, {**more, **(headers or {})}, media_type=_TYPE)
