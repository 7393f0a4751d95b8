"""Compare and About as a person uses them, and an open page while releases come and go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.schema.release import Gate
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release, write_release
from tasks.store.releases.swap import swap_live
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
    until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import TinyShop

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def roll_back(shop: TinyShop) -> None:
    """Make the release live that was live before."""
    state = read_live(shop.store, shop.channel)
    assert state is not None and state.pointer.previous is not None
    swap_live(shop.store, shop.channel, state.pointer.previous, reason="roll back", run=None, expected=state)


def refuse(shop: TinyShop, name: str, of: str) -> None:
    """Store a release that a gate refused: it was never live."""
    gate = Gate(name="golden_overlap", value=0.2, limit=">= 0.5", passed=False)
    write_release(shop.store, read_release(shop.store, of).model_copy(update={"id": name, "gates": (gate,)}))


def generation(page: Page, number: int) -> None:
    """Wait until the foot of the page names a generation."""
    page.locator("#foot", has_text=f"generation {number}").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_two_releases_stand_side_by_side(browser: Browser, own_store: TinyShop, tmp_path: Path, width: int) -> None:
    rows = [row for row in own_store.rows() if row["color"] != "red"]
    own_store.publish("second", rows, seed=1)  # another model, and nothing red any more
    refuse(own_store, "third", of="second")
    with serving(own_store) as site, opened(browser, site, width=width) as page:
        open_tab(page, "Compare")
        field(page, "#compare-query").fill("red mug")
        until(page, "document.querySelector('#other input').value.startsWith('third')")
        page.locator("#other input").click()
        options = page.get_by_role("option").all_inner_texts()
        assert ["refused" in option for option in options] == [True, False] and "generation 1" in options[1]
        answered(page, "#compare-found", page.get_by_role("option").nth(1).click)
        old, new = page.locator(".compared section").all()
        assert "first" in old.locator("h2").inner_text() and "second" in new.locator("h2").inner_text()
        gone = old.locator("li.gone h3").all_inner_texts()
        assert sorted(gone) == ["Acme red chair", "Acme red lamp", "Acme red mug"]
        assert page.locator(".compared .told").inner_text().startswith("9 of 12 products in both, 3 gone")
        moved = new.locator("li.up .mark").count() + new.locator("li.down .mark").count()
        assert moved and new.locator("li.up .unseen, li.down .unseen").first.inner_text().startswith("moved ")
        assert_tidy(page, "#compare-found")  # also the images of what is gone
        page.screenshot(path=tmp_path / f"compare-{width}.png", full_page=True)


def test_there_may_be_nothing_to_compare_with(browser: Browser, tiny_site: Site) -> None:
    with opened(browser, tiny_site) as page:
        open_tab(page, "Compare")
        field(page, "#compare-query").fill("red mug")
        page.locator("#compare-go").click()
        page.get_by_text("Nothing to compare with yet").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_about_tells_what_the_release_is_and_how_it_came(
    browser: Browser, own_store: TinyShop, tmp_path: Path, width: int
) -> None:
    gates = (
        Gate(name="recall@10_text", value=0.99, limit=">= 0.98", passed=True, detail="a <b>detail</b>"),
        Gate(name="recall@10_against_baseline", value=-0.1, limit=">= 0", passed=False, warning=True, detail="first"),
    )
    measured = {"quality": {"recall@10": 0.82, "index_recall_text": 1.0}, "gates": gates}
    measured |= {"notes": ("no classifier: 1 class", "not measured on val: 1 product, 2 are needed")}
    measured |= {"run": "11111111-2222-3333-4444-555555555555", "id": "measured"}
    write_release(own_store.store, read_release(own_store.store, "first").model_copy(update=measured))
    live = read_live(own_store.store, own_store.channel)
    swap_live(own_store.store, own_store.channel, "measured", reason="promote, says Ada", run=None, expected=live)
    own_store.take_down("red-mug")
    with serving(own_store, prefect_url="http://prefect.test") as site, opened(browser, site, width=width) as page:
        open_tab(page, "About")
        about = page.locator(".about")
        about.wait_for()
        words = about.inner_text()
        assert "promote, says Ada" in words and "less than a minute ago" in words and "a <b>detail</b>" in words
        assert "no classifier: 1 class; not measured on val: 1 product" in words
        assert about.locator("p.warn").inner_text().startswith("Warning: recall@10_against_baseline is -0.1")
        assert about.locator(".badge.bad").inner_text() == "warning"
        assert about.locator(".bars tr").count() == 2
        assert about.locator(".bars tr", has_text="recall@10").locator("td").last.inner_text() == "0.820"
        about.locator("summary", has_text="1 product").click()
        assert about.locator("details li code").inner_text() == "red-mug"
        history = about.locator("table").last.locator("tbody tr")
        assert [row.locator("td").first.inner_text() for row in history.all()] == ["3", "2", "1"]
        assert history.first.locator(".badge.good").inner_text() == "live"
        assert about.get_by_text("Evaluation report").count() == 0, "this release was made without one"
        assert_tidy(page, "#about")
        page.screenshot(path=tmp_path / f"about-{width}.png", full_page=True)


def test_the_run_that_made_a_release_is_linked(browser: Browser, own_store: TinyShop) -> None:
    made = read_release(own_store.store, "first").model_copy(update={"id": "made", "run": "1234-5678"})
    write_release(own_store.store, made)
    live = read_live(own_store.store, own_store.channel)
    swap_live(own_store.store, own_store.channel, "made", reason="test", run="8765", expected=live)
    with serving(own_store, prefect_url="http://prefect.test") as site, opened(browser, site) as page:
        open_tab(page, "About")
        links: dict[str, Any] = {
            name: page.get_by_role("link", name=name).get_attribute("href")
            for name in ("Run that made it", "Run that published it")
        }
        assert links["Run that made it"] == "http://prefect.test/runs/flow-run/1234-5678"
        assert links["Run that published it"] == "http://prefect.test/runs/flow-run/8765"


def test_an_open_page_follows_swaps_and_roll_backs_on_every_tab(browser: Browser, own_store: TinyShop) -> None:
    def publish(name: str) -> None:
        own_store.publish(name, own_store.rows(f"{name} "))

    def all_begin_with(where: str, words: str) -> None:
        shown = "[...document.querySelectorAll(where + ' .card h3')]"
        until(page, f"([where, words]) => {shown}.every(one => one.innerText.startsWith(words))", [where, words])
        assert len(titles(page, where)) >= 11

    with serving(own_store) as site, opened(browser, site) as page:
        generation(page, 1)
        search(page, "red mug")
        answered(page, "#words-found", page.locator('#words-found [data-key="color=red"]').click)
        field(page, "#query").fill("half a que")  # typed, not asked
        answered(page, "#words-found", page.get_by_role("button", name="Clear all", exact=True).click)
        publish("second")
        generation(page, 2)
        all_begin_with("#words-found", "second")
        assert field(page, "#query").input_value() == "half a que", "what was typed stays"
        roll_back(own_store)
        generation(page, 3)
        all_begin_with("#words-found", "Acme")

        answered(page, "#picture-found", page.locator("#words-found .card .like").first.click)
        publish("third")
        generation(page, 4)
        all_begin_with("#picture-found", "third")
        roll_back(own_store)
        generation(page, 5)
        all_begin_with("#picture-found", "Acme")

        answered(page, "#both-found", page.get_by_role("button", name="Refine with words").click)
        field(page, "#both-words").fill("in gre")
        publish("fourth")
        generation(page, 6)
        all_begin_with("#both-found", "fourth")
        assert field(page, "#both-words").input_value() == "in gre"
        roll_back(own_store)
        generation(page, 7)
        all_begin_with("#both-found", "Acme")

        open_tab(page, "Compare")
        field(page, "#compare-query").fill("lamp")
        until(page, "document.querySelector('#other input').value.startsWith('fourth')")
        answered(page, "#compare-found", lambda: field(page, "#compare-query").press("Enter"))
        publish("fifth")
        generation(page, 8)
        page.get_by_text("A newer release is live").wait_for()
        assert field(page, "#compare-query").input_value() == "lamp"
        answered(page, "#compare-found", lambda: field(page, "#compare-query").press("Enter"))
        assert "fifth" in page.locator(".compared section").last.inner_text()

        open_tab(page, "About")
        page.locator(".about h2", has_text="Release fifth").wait_for()
        roll_back(own_store)
        page.locator(".about h2", has_text="Release first").wait_for()
        line = page.locator(".about table").last.locator("tbody tr").first
        assert "roll back" in line.inner_text() and "back again" in line.inner_text()
