"""Pressed quickly while an answer is slow: every press counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import Site, answers_held, opened, titles

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOUND = "#words-found"


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
