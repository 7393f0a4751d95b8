"""Pressed quickly, and answered over a slow connection: every press counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio.routes
import pytest
from starlette.responses import StreamingResponse

from tests.browser.pages import Site, answered, answers_held, opened, search, titles

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOUND = "#words-found"
SECONDS_LATE = 0.5


class _EndsLate(StreamingResponse):
    """A stream whose word that it ends comes late, as over a connection that lost a packet."""

    def __init__(self, content: AsyncIterator[str], **options: Any) -> None:
        async def late() -> AsyncIterator[str]:
            async for message in content:
                if "close_stream" in message:
                    await asyncio.sleep(SECONDS_LATE)
                yield message

        super().__init__(late(), **options)


def test_a_press_is_answered_though_the_stream_before_it_ends_late(
    browser: Browser, varied_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradio.routes, "StreamingResponse", _EndsLate)
    with opened(browser, varied_site) as page:
        page.set_default_timeout(20_000)  # left to itself, the page asks again after a minute
        search(page, "lamp")
        for colors in ({"red"}, {"red", "blue"}, {"blue"}):
            pressed = "blue" if len(colors) == 2 else "red"
            answered(page, FOUND, page.locator(f"{FOUND} [data-key='color={pressed}']").click)
            assert {title.split()[1] for title in titles(page, FOUND)} == colors


def test_what_is_pressed_during_a_slow_answer_counts_in_order(browser: Browser, varied_site: Site) -> None:
    with opened(browser, varied_site, path="/?q=lamp") as page:
        page.locator(f"{FOUND} .card").first.wait_for()
        with answers_held(varied_site) as (go_on, asked):
            for value in ("color=red", "color=blue", "brand=Acme", "color=red"):
                page.locator(f"{FOUND} [data-key='{value}']").click()
            go_on.set()
            page.locator(f"{FOUND} .chosen", has_text="Acme").wait_for()
        chosen = page.locator(f"{FOUND} .chosen button").all_inner_texts()
        assert [words.removesuffix(" ×") for words in chosen] == ["Colour: blue", "Brand: Acme", "Clear all"]
        assert len(asked) == 2, "what waited is asked at once"


def test_the_last_of_the_products_pressed_is_the_one_that_opens(browser: Browser, varied_site: Site) -> None:
    with opened(browser, varied_site, path="/?q=lamp") as page:
        page.locator(f"{FOUND} .card").nth(2).wait_for()
        names = titles(page, FOUND)
        with answers_held(varied_site) as (go_on, _):
            for place in range(3):
                page.locator(f"{FOUND} .card").nth(place).locator(".like").click()
            go_on.set()
            page.locator("#picture-found .banner", has_text=names[2]).wait_for()
