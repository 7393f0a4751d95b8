"""Whether the page can be read: contrast in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.pages import Site, answered, field, open_tab, opened, serving, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import TinyShop

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


def assert_readable(page: Page, least: int) -> None:
    """``least``: texts that must be in sight, so that a page that shows nothing does not pass."""
    page.wait_for_timeout(300)  # colours fade over
    found = page.evaluate(CONTRAST)
    assert found["looked"] >= least and found["faint"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_can_be_read(
    browser: Browser, varied_site: Site, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, varied_site, path="/?q=red+mug&color=red", scheme=scheme) as page:
        page.locator("#words-found .card").first.wait_for()
        assert_readable(page, 30)
        page.screenshot(path=tmp_path / f"words-{scheme}.png", full_page=True)
        answered(page, "#picture-found", page.locator("#words-found .card .like").first.click)
        assert_readable(page, 30)
        answered(page, "#both-found", page.get_by_role("button", name="Refine with words").click)
        assert_readable(page, 30)
        open_tab(page, "Compare")
        field(page, "#compare-query").fill("red mug")
        until(page, "document.querySelector('#other input').value !== ''")
        answered(page, "#compare-found", lambda: field(page, "#compare-query").press("Enter"))
        assert_readable(page, 20)
        open_tab(page, "About")
        page.locator(".about").wait_for()
        assert_readable(page, 20)
        page.screenshot(path=tmp_path / f"about-{scheme}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_wrong_can_be_read(browser: Browser, own_store: TinyShop, scheme: Literal["light", "dark"]) -> None:
    pointer = Path(own_store.settings.store_uri) / "live" / "production.json"
    with serving(own_store) as site, opened(browser, site, path="/?q=mug&color=pink", scheme=scheme) as page:
        page.get_by_text("No product fits these filters").wait_for()
        pointer.write_bytes(pointer.read_bytes().replace(b'"generation": 1', b'"generation": 9'))
        page.locator("#foot .warn").wait_for()
        assert_readable(page, 10)
        page.goto(f"{site.address}/?like=no-such-product")
        page.locator("#picture-found .state.bad").wait_for()
        assert_readable(page, 10)
