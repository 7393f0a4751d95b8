"""Pages of the app in a real Chromium, and what must hold on every one of them."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import uvicorn

from app.main import create_app
from app.settings import AppSettings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from playwright.sync_api import Browser, Locator, Page, Request

    from app.query.answers import Answer
    from app.query.question import Question
    from tests.conftest import TinyShop

WIDTHS = (1280, 390)


@dataclass(frozen=True)
class Site:
    """An app that is served, and where."""

    app: FastAPI
    address: str


@contextmanager
def serving(shop: TinyShop, **settings: Any) -> Iterator[Site]:
    """Serve the page of a shop on a free port."""
    app = create_app(AppSettings(poll_seconds=0.2, device="cpu", **settings), shop.settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield Site(app, f"http://127.0.0.1:{listening.getsockname()[1]}")
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def opened(
    browser: Browser, site: Site, path: str = "/", width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """A page as a visitor opens it. At its end: it asked no other host for anything, and met no error."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(40_000)  # a loaded machine answers late
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    calls = _noted_calls(page)
    try:
        page.goto(site.address + path)
        page.locator("#foot footer").wait_for()
        yield page
    except Exception as error:
        error.add_note("\n".join(["The page's last calls:", *calls, "What it shows:", page.inner_text("body")]))
        raise
    finally:
        page.close()
    elsewhere = [url for url in asked if not url.startswith((site.address, "data:", "blob:"))]
    assert elsewhere == [] and faults == []


@contextmanager
def answers_held(site: Site) -> Iterator[tuple[threading.Event, list[Question]]]:
    """Let the app answer nothing until the event is set; the questions it was asked meanwhile and after."""
    ask, go_on = site.app.state.search.answer, threading.Event()
    asked: list[Question] = []

    def slow(question: Question) -> Answer:
        asked.append(question)
        go_on.wait(60)
        return ask(question)

    site.app.state.search.answer = slow
    try:
        yield go_on, asked
    finally:
        site.app.state.search.answer = ask


def _noted_calls(page: Page) -> deque[str]:
    """The calls that the page makes from now on, and how that ends, for whoever reads of a failure."""
    began, calls = time.monotonic(), deque[str](maxlen=40)

    def note(what: str, request: Request) -> None:
        if "/gradio_api/run/" in request.url:
            calls.append(f"{time.monotonic() - began:.2f} s {what} {request.url} {(request.post_data or '')[:200]}")

    page.on("request", lambda request: note("asks", request))
    page.on("response", lambda response: note(f"is answered {response.status}", response.request))
    page.on("requestfinished", lambda request: note("finishes", request))
    page.on("requestfailed", lambda request: note("ends", request))
    return calls


def open_tab(page: Page, name: str) -> None:
    """Press a tab, and the pointer away: nothing is hovered."""
    page.get_by_role("tab", name=name, exact=True).click()


def field(page: Page, of: str) -> Locator:
    """The line to type into of a text box."""
    return page.locator(f"{of} textarea, {of} input").first


def search(page: Page, words: str) -> None:
    """Search by words, and wait for the answer."""
    field(page, "#query").fill(words)
    answered(page, "#words-found", lambda: field(page, "#query").press("Enter"))


def answered(page: Page, where: str, act: Any) -> None:
    """Do what asks for something, and wait for an answer that was not there before."""
    shown = page.locator(f"{where} [data-answer]")
    before = shown.first.get_attribute("data-answer") if shown.count() else None
    act()
    until(
        page,
        "([where, before]) => (document.querySelector(where + ' [data-answer]')?.dataset.answer ?? null) !== before",
        [where, before],
    )


def until(page: Page, holds: str, arg: Any = None) -> None:
    """Wait until an expression holds. Left to itself, Playwright looks with each frame: a loaded machine draws none."""
    page.wait_for_function(holds, arg=arg, polling=100)


def titles(page: Page, where: str) -> list[str]:
    """Titles of the cards shown."""
    return page.locator(f"{where} .card h3").all_inner_texts()


def unfold_filters(page: Page, where: str, width: int) -> None:
    """On a phone the filters are folded away until somebody presses them."""
    button = page.locator(f"{where} .filters > summary")
    assert button.is_visible() == (width < 900)
    if width < 900:
        assert not page.locator(f"{where} .facet").first.is_visible()
        button.click()
    page.locator(f"{where} .facet").first.wait_for()


def assert_tidy(page: Page, where: str) -> None:
    """Every image loads and has words for it, headings do not skip, buttons have names, nothing sticks out."""
    images = page.locator(f"{where} img")
    for number in range(images.count()):
        images.nth(number).scroll_into_view_if_needed()  # they load when seen
    until(
        page,
        "where => [...document.querySelectorAll(where + ' img')].every(one => one.complete && one.naturalWidth > 0)",
        where,
    )
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    headings = "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(one => one.offsetParent)"
    levels = page.evaluate(f"{headings}.map(one => +one.tagName[1])")
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    buttons = "[...document.querySelectorAll('.found button, .found input')]"
    unnamed = page.evaluate(
        f"{buttons}.filter(one => !one.textContent.trim() && !one.ariaLabel).map(one => one.outerHTML)"
    )
    assert unnamed == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} px wider than the screen"
