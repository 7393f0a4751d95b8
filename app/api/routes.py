"""Puts the JSON API on an app."""

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from app.api.items import item_routes
from app.api.search import search_routes, upload_routes
from app.api.state import release_routes, state_routes
from app.http.problems import explain_faults
from app.query.search import Search
from app.serving.reports import Reports


def add_api(app: FastAPI, search: Search, reports: Reports) -> None:
    """Put the routes and the problem documents on ``app``."""
    explain_faults(app)
    # declared for readers of /openapi.json; `app.http.admission` checks the key before a body is read
    schemes = (HTTPBearer(auto_error=False), APIKeyHeader(name="X-API-Key", auto_error=False))
    keyed = [Security(scheme) for scheme in schemes] if search.settings.api_key.get_secret_value() else []
    for router in (search_routes(search), upload_routes(search), item_routes(search), release_routes(search, reports)):
        app.include_router(router, dependencies=keyed)
    app.include_router(state_routes(search, app.state.draining))
