"""Assembles the app: the store, the live release, the API, and the page at ``/``."""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: it sends nothing home

import gradio as gr
from anyio import to_thread
from fastapi import FastAPI

from app.api.routes import add_api
from app.http.admission import Admission, ApiKey
from app.http.allow_list import AT_ONCE, add_allow_list
from app.http.guards import BodyLimit, SafeHeaders
from app.http.origins import Origins
from app.http.request_metrics import RequestMetrics
from app.http.root_path import RootPath
from app.metrics import Metrics
from app.page.page import build_page
from app.page.theme import CSS, theme
from app.query.search import Search
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.reports import Reports
from app.settings import AppSettings
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store

_SESSIONS = 2000  # open pages that have state, some 70 kB each; Gradio's own limit is 10 000


def create_app(settings: AppSettings | None = None, store_settings: StoreSettings | None = None) -> FastAPI:
    """The app over the store that ``store_settings`` (default: the environment) name. It follows the live release.

    ``app.state.search`` and ``app.state.live`` are its parts, for tests and extensions.
    """
    settings = settings or AppSettings()
    store = open_store(store_settings)
    live = Live(store, settings, LastKnownGood(store.settings.store_cache, settings.channel))
    metrics = Metrics()
    metrics.follow(live)
    search = Search(store, live, settings, metrics)

    @asynccontextmanager
    async def follow(app: FastAPI) -> AsyncIterator[None]:
        # a thread for each search that is let in, and for each call of the page; images take what is free
        to_thread.current_default_thread_limiter().total_tokens = settings.max_in_flight + AT_ONCE
        live.start()
        yield
        live.stop()
        search.uploads.close()

    # FastAPI's own documentation page loads scripts from a CDN; /openapi.json stays
    servers = [{"url": settings.root_path}] if settings.root_path else None
    app = FastAPI(title="Product search", lifespan=follow, docs_url=None, redoc_url=None, servers=servers)
    app.state.search, app.state.live, app.state.draining = search, live, threading.Event()
    add_api(app, search, Reports(store))
    _add_guards(app, settings, metrics)
    blocks = build_page(search)
    blocks.state_session_capacity = _SESSIONS
    gr.mount_gradio_app(
        app, blocks, path="/", server_name=settings.host, server_port=settings.port, footer_links=[],
        run_history=False, theme=theme(), css_paths=CSS, max_file_size=settings.max_upload_bytes,
        show_error=True, ssr_mode=False, enable_monitoring=False, pwa=False, root_path=settings.root_path or None,
    )  # fmt: skip
    add_allow_list(app, blocks)
    return app


def _add_guards(app: FastAPI, settings: AppSettings, metrics: Metrics) -> None:
    """The last one added is the outermost."""
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Admission, settings=settings, metrics=metrics)
    if key := settings.api_key.get_secret_value():
        app.add_middleware(ApiKey, key=key, metrics=metrics)
    if settings.origins:
        app.add_middleware(Origins, origins=settings.origins)
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.add_middleware(SafeHeaders)
    if root := settings.root:
        app.add_middleware(RootPath, root=root)
