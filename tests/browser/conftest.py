"""A Chromium for the tests of the page, and shops that are served to it.

Each lasts for one file: Playwright leaves its event loop running, in which no other test could start one, and an app
writes leases into the shop that others copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store
from tasks.store.releases.reader_leases import FOLDER as LEASES
from tests.browser.pages import Site, serving
from tests.conftest import COLORS, SHAPES, TinyShop, item

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; to run these tests: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def tiny_site(tiny_store: TinyShop) -> Iterator[Site]:
    """The tiny shop served, for tests that only look."""
    with serving(tiny_store) as site:
        yield site


def varied_rows() -> list[dict[str, Any]]:
    """Products with something to choose by: two brands, prices from 5 to 60, fits."""
    rows = []
    for number, (color, shape) in enumerate((color, shape) for color in COLORS for shape in SHAPES):
        brand, fit = ("Acme", "Zenith")[number % 2], ("slim", "wide")[number // 6]
        rows.append(item(color, shape, brand=brand, price=5.0 * (number + 1), attributes={"fit": fit}))
    return rows


@pytest.fixture(scope="module")
def varied_site(tiny_store: TinyShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shop with filters, eight results at a time, for tests that only look."""
    root = tmp_path_factory.mktemp("varied")
    shutil.copytree(Path(tiny_store.settings.store_uri), root / "store", ignore=shutil.ignore_patterns(LEASES))
    settings = StoreSettings(store_uri=str(root / "store"), store_cache=root / "cache")
    shop = TinyShop(open_store(settings), settings, _model=tiny_store._model, _encoders=tiny_store._encoders)
    shop.publish("varied", varied_rows())
    with serving(shop, top_k=8) as site:
        yield site
