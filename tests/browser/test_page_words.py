"""Search by words as a person does it: typing, filters, more results, the keyboard, addresses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import (
    WIDTHS,
    Site,
    answered,
    assert_tidy,
    field,
    opened,
    search,
    titles,
    unfold_filters,
    until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOUND = "#words-found"


@pytest.mark.parametrize("width", WIDTHS)
def test_words_find_cards_with_images(browser: Browser, tiny_site: Site, tmp_path: Path, width: int) -> None:
    with opened(browser, tiny_site, width=width) as page:
        page.locator("#chips button").first.wait_for()
        search(page, "red mug")
        assert len(titles(page, FOUND)) == 12
        assert page.locator(f"{FOUND} .price").first.inner_text() == "9.50"
        assert "Release first" in page.locator("#foot").inner_text()
        assert_tidy(page, FOUND)
        page.screenshot(path=tmp_path / f"words-{width}.png", full_page=True)


def test_a_chip_searches(browser: Browser, tiny_site: Site) -> None:
    with opened(browser, tiny_site) as page:
        chip = page.locator("#chips button").first
        words = chip.inner_text()
        answered(page, FOUND, chip.click)
        assert field(page, "#query").input_value() == words


@pytest.mark.parametrize("width", WIDTHS)
def test_filters_are_chosen_counted_and_cleared(
    browser: Browser, varied_site: Site, tmp_path: Path, width: int
) -> None:
    with opened(browser, varied_site, width=width) as page:
        search(page, "red mug")
        unfold_filters(page, FOUND, width)
        red, wide = (page.locator(f'{FOUND} [data-key="{key}"]') for key in ("color=red", "attributes.fit=wide"))
        assert red.locator("em").inner_text() == "3" and red.get_attribute("aria-pressed") == "false"
        assert red.get_attribute("aria-label") == "Colour red, 3 products"
        answered(page, FOUND, red.click)
        assert len(titles(page, FOUND)) == 3 and all("red" in title for title in titles(page, FOUND))
        assert red.get_attribute("aria-pressed") == "true"
        assert "color=red" in page.url
        assert page.locator(f"{FOUND} .facet").first.is_visible(), "filters stay unfolded"
        assert_tidy(page, FOUND)
        page.screenshot(path=tmp_path / f"filters-{width}.png", full_page=True)

        assert wide.count() == 0, "no red product is wide: nothing to choose"
        answered(page, FOUND, page.locator(f'{FOUND} [data-key="color=blue"]').click)
        assert {title.split()[1] for title in titles(page, FOUND)} == {"red", "blue"}, "values of a column add up"
        answered(page, FOUND, page.get_by_role("button", name="Remove filter Colour: red").click)
        assert {title.split()[1] for title in titles(page, FOUND)} == {"blue"}
        answered(page, FOUND, page.get_by_role("button", name="Clear all", exact=True).click)
        assert len(titles(page, FOUND)) == 8 and page.locator(f"{FOUND} .chosen").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_price_range_and_the_way_out_of_nothing(
    browser: Browser, varied_site: Site, tmp_path: Path, width: int
) -> None:
    with opened(browser, varied_site, width=width) as page:
        search(page, "lamp")
        unfold_filters(page, FOUND, width)
        page.get_by_label("Price from").fill("30")
        page.get_by_label("Price up to").fill("40")
        answered(page, FOUND, lambda: page.get_by_label("Price up to").press("Enter"))
        assert sorted(page.locator(f"{FOUND} .price").all_inner_texts()) == ["30", "35", "40"]
        page.get_by_label("Price from").fill("1000")
        page.get_by_label("Price up to").fill("")
        answered(page, FOUND, lambda: page.get_by_label("Price from").press("Enter"))
        page.get_by_text("No product fits these filters").wait_for()
        page.screenshot(path=tmp_path / f"none-{width}.png", full_page=True)
        answered(page, FOUND, page.get_by_role("button", name="Clear all filters").click)
        assert len(titles(page, FOUND)) == 8


def test_more_results_are_shown_and_the_keyboard_goes_on_there(browser: Browser, varied_site: Site) -> None:
    with opened(browser, varied_site, path="/?q=chair") as page:
        more = page.get_by_role("button", name="Show more")
        more.wait_for()
        first = titles(page, FOUND)
        more.focus()
        answered(page, FOUND, lambda: page.keyboard.press("Enter"))
        assert titles(page, FOUND)[:8] == first and len(titles(page, FOUND)) == 12
        assert page.evaluate("document.activeElement.dataset.key") == "card-9"
        assert more.count() == 0, "there is no more"


def test_everything_can_be_done_with_the_keyboard(browser: Browser, varied_site: Site) -> None:
    with opened(browser, varied_site) as page:
        page.locator("#chips button").first.wait_for()
        page.keyboard.type("blue lamp")  # the line has the focus from the start
        answered(page, FOUND, lambda: page.keyboard.press("Enter"))
        keys = []
        while "color=blue" not in keys:  # no filter is passed over on the way
            page.keyboard.press("Tab")
            keys.append(page.evaluate("document.activeElement.dataset.key ?? ''"))
            assert len(keys) < 60
        assert any(key.startswith("category=") for key in keys)
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
        answered(page, FOUND, lambda: page.keyboard.press("Space"))
        assert {title.split()[1] for title in titles(page, FOUND)} == {"blue"}
        assert page.evaluate("document.activeElement.dataset.key") == "color=blue", "the focus stays on the filter"
        answered(page, FOUND, lambda: page.keyboard.press("Escape"))
        assert page.locator(f"{FOUND} .chosen").count() == 0
        field(page, "#query").focus()
        page.keyboard.press("Escape")
        page.locator(f"{FOUND} .state").wait_for()
        assert field(page, "#query").input_value() == ""


def test_an_address_carries_words_and_filters_and_back_leads_back(browser: Browser, varied_site: Site) -> None:
    path = "/?q=mug&color=red&color=blue&brand=Acme&price_to=40&no_such_column=x"
    with opened(browser, varied_site, path=path) as page:
        page.locator(f"{FOUND} .card").first.wait_for()
        assert field(page, "#query").input_value() == "mug"
        chosen = page.locator(f"{FOUND} .chosen button").all_inner_texts()
        assert [words.removesuffix(" ×") for words in chosen] == [
            "Colour: red",
            "Colour: blue",
            "Brand: Acme",
            "Price: up to 40",
            "Clear all",
        ]
        search(page, "chair")
        assert "q=chair" in page.url and "color=blue" in page.url
        page.go_back()
        until(page, "document.querySelector('#query textarea, #query input')?.value === 'mug'")
        page.locator(f"{FOUND} .card").first.wait_for()
