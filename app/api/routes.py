"""Puts the JSON API on an app."""

from fastapi import FastAPI

from app.api.items import item_routes
from app.api.problems import explain_faults
from app.api.search import search_routes
from app.api.state import state_routes
from app.query.search import Search
from app.serving.reports import Reports


def add_api(app: FastAPI, search: Search, reports: Reports) -> None:
    """Put the routes and the problem documents on ``app``."""
    explain_faults(app)
    for router in (search_routes(search), item_routes(search), state_routes(search, reports)):
        app.include_router(router)
