"""Search by an image, and by an image with words, as a person does it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import (
    WIDTHS,
    Site,
    answered,
    assert_tidy,
    field,
    open_tab,
    opened,
    search,
    serving,
    titles,
    unfold_filters,
)
from tests.conftest import TinyShop, draw_product

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
IMAGE, BOTH = "#picture-found", "#both-found"


def upload(page: Page, where: str, path: Path) -> None:
    page.locator(f"{where} input[type=file]").first.set_input_files(path)


@pytest.fixture
def chair(tmp_path: Path) -> Path:
    """An image with bytes of its own after its end: apps of other tests that stop delete what they were given."""
    (tmp_path / "chair.jpg").write_bytes(draw_product("blue", "chair") + os.urandom(8))
    return tmp_path / "chair.jpg"


@pytest.mark.parametrize("width", WIDTHS)
def test_an_uploaded_image_finds_itself_and_filters_narrow_it(
    browser: Browser, varied_site: Site, chair: Path, tmp_path: Path, width: int
) -> None:
    with opened(browser, varied_site, width=width) as page:
        open_tab(page, "Picture")
        answered(page, IMAGE, lambda: upload(page, "#upload", chair))
        assert titles(page, IMAGE)[0] == "Acme blue chair"
        assert page.locator(".categories").count() == 0, "a release without a classifier predicts no category"
        unfold_filters(page, IMAGE, width)
        answered(page, IMAGE, page.locator(f'{IMAGE} [data-key="color=green"]').click)
        assert {title.split()[1] for title in titles(page, IMAGE)} == {"green"}
        assert_tidy(page, IMAGE)
        page.screenshot(path=tmp_path / f"image-{width}.png", full_page=True)


def test_a_bad_image_is_explained_and_the_next_one_is_taken(
    browser: Browser, tiny_site: Site, chair: Path, tmp_path: Path
) -> None:
    (tmp_path / "torn.jpg").write_bytes(chair.read_bytes()[:900])
    with opened(browser, tiny_site) as page:
        open_tab(page, "Picture")
        answered(page, IMAGE, lambda: upload(page, "#upload", tmp_path / "torn.jpg"))
        assert "cannot be read" in page.locator(f"{IMAGE} .state.bad").inner_text()
        page.screenshot(path=tmp_path / "refused.png", full_page=True)
        page.locator("#upload button[aria-label='Remove Image'], #upload button[title='Remove Image']").first.click()
        page.locator(f"{IMAGE} .state:not(.bad)").wait_for()
        answered(page, IMAGE, lambda: upload(page, "#upload", chair))
        assert titles(page, IMAGE)[0] == "Acme blue chair"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_product_leads_to_what_is_like_it_and_on_to_words(
    browser: Browser, varied_site: Site, tmp_path: Path, width: int
) -> None:
    with opened(browser, varied_site, path="/?q=red+mug", width=width) as page:
        page.locator("#words-found .card").first.wait_for()
        title = titles(page, "#words-found")[0]
        answered(page, IMAGE, page.locator("#words-found .card .like").first.click)
        assert page.locator(f"{IMAGE} .banner strong").inner_text() == title
        assert title not in titles(page, IMAGE) and "like=" in page.url
        assert_tidy(page, IMAGE)
        page.screenshot(path=tmp_path / f"similar-{width}.png", full_page=True)

        answered(page, BOTH, page.get_by_role("button", name="Refine with words").click)
        assert page.locator("#both-product strong").inner_text() == title
        page.wait_for_timeout(1000)  # the answer empties the fields too, perhaps a moment after it shows its cards
        field(page, "#both-words").fill("in yellow")
        field(page, "#both-minus").fill("a mug")
        before = titles(page, BOTH)
        answered(page, BOTH, lambda: field(page, "#both-minus").press("Enter"))
        assert len(titles(page, BOTH)) == 8 and titles(page, BOTH) != before, "words change the order"
        assert "minus=a+mug" in page.url and "q=in+yellow" in page.url
        assert_tidy(page, BOTH)
        page.screenshot(path=tmp_path / f"both-{width}.png", full_page=True)

        page.locator("#both-mix input[type=range]").focus()
        answered(page, BOTH, lambda: page.keyboard.press("ArrowRight"))
        assert "mix=55" in page.url
        answered(page, BOTH, page.get_by_role("button", name="Take this product away").click)
        assert title in titles(page, BOTH) or len(titles(page, BOTH)) == 8
        assert "like=" not in page.url


def test_an_uploaded_image_goes_on_to_words(browser: Browser, varied_site: Site, chair: Path) -> None:
    with opened(browser, varied_site) as page:
        open_tab(page, "Picture")
        answered(page, IMAGE, lambda: upload(page, "#upload", chair))
        answered(page, BOTH, page.get_by_role("button", name="Refine with words").click)
        page.locator("#both-upload img").first.wait_for()
        assert titles(page, BOTH)[0] == "Acme blue chair"
        field(page, "#both-words").fill("red lamp")
        answered(page, BOTH, page.locator("#both-go").click)
        assert len(titles(page, BOTH)) == 8 and "q=" not in page.url, "nobody else has the image: no address"


def test_an_address_carries_a_mix(browser: Browser, varied_site: Site) -> None:
    with opened(browser, varied_site, path="/?like=red-mug&q=in+blue&minus=stripes&mix=70") as page:
        page.locator(f"{BOTH} .card").first.wait_for()
        assert field(page, "#both-words").input_value() == "in blue"
        assert field(page, "#both-minus").input_value() == "stripes"
        assert page.locator("#both-mix input[type=range]").input_value() == "70"
        assert page.locator("#both-product strong").inner_text() == "Acme red mug"


@pytest.mark.parametrize("width", WIDTHS)
def test_categories_are_predicted_where_the_release_has_a_classifier(
    browser: Browser, own_store: TinyShop, chair: Path, tmp_path: Path, width: int
) -> None:
    own_store.publish("second", classifier=own_store.classifier())
    with serving(own_store) as site, opened(browser, site, width=width) as page:
        open_tab(page, "Picture")
        answered(page, IMAGE, lambda: upload(page, "#upload", chair))
        shares = page.locator(f"{IMAGE} .categories em").all_inner_texts()
        assert len(shares) == 3 and sum(int(share.removesuffix("%")) for share in shares) in range(98, 103)
        assert_tidy(page, IMAGE)
        page.screenshot(path=tmp_path / f"categories-{width}.png", full_page=True)
        open_tab(page, "Words")
        search(page, "red mug")
        assert page.locator("#words-found .categories").count() == 0, "words are of no category"
