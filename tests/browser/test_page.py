"""The page in a real Chromium: words, picture, more like this, and not one request to another host."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from app.main import create_app
from app.settings import AppSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import TinyShop

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<img src=x onerror=\"document.title='taken'\"> ${document.title='taken'} {{this}} `x` \"quoted\" & 'single'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; to run these tests: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def serving(shop: TinyShop) -> Iterator[str]:
    app = create_app(AppSettings(poll_seconds=0.2, device="cpu"), shop.settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def opened(browser: Browser, address: str, width: int = 1280, path: str = "/") -> Iterator[tuple[Page, list[str]]]:
    """A page, and the list that fills with every address it asks for."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(90_000)  # a loaded machine answers late
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path)
    page.locator("#foot").wait_for()
    yield page, asked
    page.close()


def all_loaded(page: Page, where: str) -> bool:
    """Whether every picture of the cards in ``where`` has pixels. Scrolls, because they load when seen."""
    pictures = page.locator(f"{where} .card img")
    for number in range(pictures.count()):
        pictures.nth(number).scroll_into_view_if_needed()
    page.wait_for_function(
        "where => [...document.querySelectorAll(where + ' .card img')].every(i => i.complete && i.naturalWidth > 0)",
        arg=where,
    )
    return pictures.count() > 0


def elsewhere(asked: list[str], address: str) -> list[str]:
    return [url for url in asked if not url.startswith((address, "data:", "blob:"))]


@pytest.mark.parametrize("width", [1280, 390])
def test_words_find_cards_with_pictures(browser: Browser, tiny_store: TinyShop, tmp_path: Path, width: int) -> None:
    with serving(tiny_store) as address, opened(browser, address, width) as (page, asked):
        page.locator("#chips button").first.wait_for()
        field = page.locator("#query textarea, #query input")
        field.fill("red mug")
        field.press("Enter")
        page.locator("#words-found .card").first.wait_for()
        assert page.locator("#words-found .card").count() == 12
        assert all_loaded(page, "#words-found")
        assert "Release first" in page.locator("#foot").inner_text()
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"the page is {overflow} px wider than the screen"
        page.screenshot(path=tmp_path / f"words-{width}.png", full_page=True)
        assert elsewhere(asked, address) == []


def test_a_chip_searches_and_a_card_leads_to_similar_products(
    browser: Browser, tiny_store: TinyShop, tmp_path: Path
) -> None:
    with serving(tiny_store) as address, opened(browser, address) as (page, asked):
        chip = page.locator("#chips button").first
        words = chip.inner_text()
        chip.click()
        page.locator("#words-found .card").first.wait_for()
        assert page.locator("#query textarea, #query input").input_value() == words
        title = page.locator("#words-found .card h3").first.inner_text()
        page.locator("#words-found .card .like").first.click()
        page.locator("#picture-found .card").first.wait_for()
        assert page.locator("#picture-found .banner strong").inner_text() == title
        assert title not in page.locator("#picture-found .card h3").all_inner_texts()
        assert all_loaded(page, "#picture-found")
        page.screenshot(path=tmp_path / "similar.png", full_page=True)
        assert elsewhere(asked, address) == []


def test_an_uploaded_picture_finds_itself_and_a_bad_one_is_explained(
    browser: Browser, tiny_store: TinyShop, tmp_path: Path
) -> None:
    (tmp_path / "chair.jpg").write_bytes(tiny_store.picture("blue", "chair"))
    (tmp_path / "torn.jpg").write_bytes(tiny_store.picture("blue", "chair")[:900])
    with serving(tiny_store) as address, opened(browser, address) as (page, asked):
        page.get_by_role("tab", name="Picture").click()
        page.locator("#upload input[type=file]").first.set_input_files(tmp_path / "chair.jpg")
        page.locator("#picture-found .card").first.wait_for()
        assert page.locator("#picture-found .card h3").first.inner_text() == "Acme blue chair"
        assert all_loaded(page, "#picture-found")
        assert page.locator(".categories").count() == 0, "a release without a classifier predicts no category"
        page.screenshot(path=tmp_path / "upload.png", full_page=True)
        page.locator("#upload button[aria-label='Remove Image'], #upload button[title='Remove Image']").first.click()
        page.locator("#upload input[type=file]").first.set_input_files(tmp_path / "torn.jpg")
        page.locator("#picture-found .state.bad").wait_for()
        assert "cannot be read" in page.locator("#picture-found .state.bad").inner_text()
        assert elsewhere(asked, address) == []


def test_the_page_begins_by_itself_when_the_first_release_appears(
    browser: Browser, empty_store: TinyShop, tmp_path: Path
) -> None:
    with serving(empty_store) as address, opened(browser, address) as (page, _):
        page.get_by_text("Nothing published yet").wait_for()
        assert page.get_by_text("python -m flows.pipeline").is_visible()
        assert not page.locator("#query").is_visible(), "nothing to type into while nothing answers"
        page.screenshot(path=tmp_path / "nothing.png", full_page=True)
        empty_store.publish("first")
        page.locator("#query").wait_for(timeout=30_000)
        assert "Release first" in page.locator("#foot").inner_text()


def test_an_open_page_follows_a_swap(browser: Browser, own_store: TinyShop, publish_next: Callable[..., Any]) -> None:
    with serving(own_store) as address, opened(browser, address) as (page, _):
        page.get_by_text("generation 1").wait_for()
        publish_next("second", own_store.rows("new "))
        page.get_by_text("generation 2").wait_for(timeout=30_000)
        field = page.locator("#query textarea, #query input")
        field.fill("red mug")
        field.press("Enter")
        page.locator("#words-found .card").first.wait_for()
        assert all(title.startswith("new ") for title in page.locator("#words-found .card h3").all_inner_texts())


def test_a_hostile_title_is_only_ever_text(
    browser: Browser, own_store: TinyShop, publish_next: Callable[..., Any]
) -> None:
    rows = [
        row | {"title": HOSTILE, "brand": HOSTILE, "item_id": f"{row['item_id']}/'\"><b>{{{{x}}}}"}
        for row in own_store.rows()
    ]
    rows = [row | {"captions": {"color_type": "<b>${1+1}</b> {{x}}"}} for row in rows]
    publish_next("second", rows)
    with serving(own_store) as address, opened(browser, address, path="/?q=red mug") as (page, asked):
        page.locator("#words-found .card").first.wait_for()
        assert page.locator("#words-found .card h3").first.inner_text() == HOSTILE
        assert all_loaded(page, "#words-found")
        assert page.locator("#chips button").first.inner_text() == "<b>${1+1}</b> {{x}}"
        page.locator("#words-found .card .like").first.click()
        page.locator("#picture-found .card").first.wait_for()
        assert page.locator("#picture-found .banner strong").inner_text() == HOSTILE
        assert page.title() != "taken" and page.locator("#words-found img[src='x']").count() == 0
        assert elsewhere(asked, address) == []
