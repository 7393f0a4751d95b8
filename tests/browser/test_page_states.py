"""What the page says while there is nothing to show or something is wrong, and what strangers' words do to it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import Busy
from tests.browser.pages import (
    WIDTHS,
    answered,
    answers_held,
    assert_tidy,
    field,
    open_tab,
    opened,
    search,
    serving,
    titles,
    until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from app.query.answers import Answer
    from app.query.question import Question
    from tests.conftest import TinyShop

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "<img src=x onerror=\"document.title='taken'\"> ${document.title='taken'} {{this}} `x` \"quoted\" & 'single'"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_begins_by_itself_when_the_first_release_appears(
    browser: Browser, empty_store: TinyShop, tmp_path: Path, width: int
) -> None:
    with serving(empty_store) as site, opened(browser, site, width=width) as page:
        page.get_by_text("Nothing published yet").wait_for()
        assert page.get_by_text("python -m flows.pipeline").is_visible()
        assert not page.locator("#query").is_visible(), "nothing to type into while nothing answers"
        page.screenshot(path=tmp_path / f"nothing-{width}.png", full_page=True)
        empty_store.publish("first")
        page.locator("#query").wait_for()
        assert "Release first" in page.locator("#foot").inner_text()


def test_a_busy_app_says_so_and_tries_again_by_itself(browser: Browser, tiny_store: TinyShop, tmp_path: Path) -> None:
    with serving(tiny_store) as site, opened(browser, site) as page:
        ask, refused = site.app.state.search.answer, threading.Event()

        def busy(question: Question) -> Answer:
            if refused.is_set():
                return ask(question)
            raise Busy("Ask again in a moment.")

        site.app.state.search.answer = busy
        search(page, "red mug")
        page.get_by_text("Many people search just now").wait_for()
        page.screenshot(path=tmp_path / "busy.png")
        refused.set()
        page.locator("#words-found .card").first.wait_for()
        assert len(titles(page, "#words-found")) == 12


def test_a_slow_answer_shows_that_it_is_under_way(browser: Browser, tiny_store: TinyShop, tmp_path: Path) -> None:
    with serving(tiny_store) as site, opened(browser, site, path="/?q=lamp") as page:
        page.locator("#words-found .card").first.wait_for()
        style = "getComputedStyle(document.querySelector('#words-found'), '::before')"
        line = f"({style}.content !== 'none' && {style}.opacity === '1')"
        with answers_held(site) as (go_on, _):
            field(page, "#query").fill("red mug")
            field(page, "#query").press("Enter")
            until(page, line)
            assert page.locator("#words-found .card").first.is_visible(), "what was there stays until the answer comes"
            page.screenshot(path=tmp_path / "slow.png")
            answered(page, "#words-found", go_on.set)
            until(page, f"!{line}")


def test_a_store_that_goes_away_is_told_and_search_goes_on(
    browser: Browser, own_store: TinyShop, tmp_path: Path
) -> None:
    with serving(own_store) as site, opened(browser, site) as page:
        search(page, "red mug")
        root = Path(own_store.settings.store_uri)
        pointer = root / "live" / "production.json"
        pointer.write_bytes(pointer.read_bytes().replace(b'"generation": 1', b'"generation": 9'))
        page.locator("#foot .warn", has_text="cannot be read").wait_for()
        search(page, "blue lamp")
        assert len(titles(page, "#words-found")) == 12
        open_tab(page, "About")
        page.locator("#about .badge.bad", has_text="may be stale").wait_for()
        page.screenshot(path=tmp_path / "stale.png", full_page=True)
        shutil.rmtree(root / "images")
        open_tab(page, "Words")
        answered(page, "#picture-found", page.locator("#words-found .card .like").last.click)


def test_a_typo_is_mended_and_may_be_left_alone(browser: Browser, own_store: TinyShop, tmp_path: Path) -> None:
    own_store.publish("worded", words=True)
    with serving(own_store) as site, opened(browser, site, path="/?q=red chiar") as page:
        page.locator("#words-found .card").first.wait_for()
        assert page.locator("#words-found .corrected strong").inner_text() == "red chair"
        assert titles(page, "#words-found")[0] == "Acme red chair"
        page.screenshot(path=tmp_path / "corrected.png", full_page=True)
        answered(page, "#words-found", page.locator("#words-found .corrected button").click)
        assert page.locator("#words-found .corrected").count() == 0
        until(page, "location.search.includes('exact=1')")
        search(page, "bule mug")
        assert titles(page, "#words-found")[0] == "Acme blue mug"
        assert page.locator("#words-found .corrected strong").inner_text() == "blue mug", "other words are mended again"


def test_hostile_words_of_a_shop_are_only_ever_text(browser: Browser, own_store: TinyShop) -> None:
    hostile = {"title": HOSTILE, "brand": HOSTILE, "attributes": {HOSTILE: HOSTILE}, "pattern": HOSTILE}
    rows = [row | hostile | {"item_id": f"{row['item_id']}/'\"><b>{{{{x}}}}"} for row in own_store.rows()]
    for row in rows[:6]:  # a second value, so that there is something to choose
        row |= {"brand": "Acme", "pattern": "plain", "attributes": {HOSTILE: "plain"}}
    rows = [row | {"captions": {"color_type": "<b>${1+1}</b> {{x}}"}} for row in rows]
    own_store.publish("second", rows)
    with serving(own_store) as site, opened(browser, site, path="/?q=red mug") as page:
        page.locator("#words-found .card").first.wait_for()
        assert set(titles(page, "#words-found")) == {HOSTILE}
        assert page.locator("#chips button").first.inner_text() == "<b>${1+1}</b> {{x}}"
        assert_tidy(page, "#words-found")
        brand = page.locator('#words-found .facet[aria-label="Brand"] button', has_text="onerror")
        answered(page, "#words-found", brand.click)
        assert len(titles(page, "#words-found")) == 6
        assert page.locator("#words-found .chosen button").first.inner_text().removesuffix(" ×") == f"Brand: {HOSTILE}"
        attribute = page.locator("#words-found .facet h2", has_text="onerror")
        assert attribute.count() == 1, "its column is offered too"
        answered(page, "#picture-found", page.locator("#words-found .card .like").first.click)
        assert page.locator("#picture-found .banner strong").inner_text() == HOSTILE
        open_tab(page, "Compare")
        field(page, "#compare-query").fill(HOSTILE)
        until(page, "document.querySelector('#other input').value !== ''")
        answered(page, "#compare-found", lambda: field(page, "#compare-query").press("Enter"))
        open_tab(page, "About")
        page.locator(".about").wait_for()
        assert page.title() != "taken" and page.locator("img[src='x']").count() == 0


def test_hostile_words_of_an_address_are_only_ever_text(browser: Browser, tiny_store: TinyShop) -> None:
    from urllib.parse import urlencode

    asked: list[tuple[str, Any]] = [("q", HOSTILE), ("color", HOSTILE), (HOSTILE, HOSTILE), ("price_from", "nan")]
    with serving(tiny_store) as site, opened(browser, site, path=f"/?{urlencode(asked)}") as page:
        page.get_by_text("No product fits these filters").wait_for()
        assert field(page, "#query").input_value() == HOSTILE
        assert page.locator("#words-found .chosen button").first.inner_text().removesuffix(" ×") == f"Colour: {HOSTILE}"
        assert page.title() != "taken" and page.locator("img[src='x']").count() == 0


def test_an_app_that_is_away_is_told_and_the_page_goes_on_by_itself(browser: Browser, tiny_store: TinyShop) -> None:
    with serving(tiny_store) as site, opened(browser, site, path="/?q=lamp") as page:
        page.locator("#words-found .card").first.wait_for()
        page.route("**/readyz", lambda route: route.abort())
        page.get_by_text("The app does not answer").wait_for()
        page.unroute("**/readyz")
        page.get_by_text("The app does not answer").wait_for(state="hidden")
        page.locator("#words-found .card").first.wait_for()
