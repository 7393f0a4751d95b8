"""Values as the page writes them: the filters and functions of its templates."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from app.serving.items import Product

FILTERS = ("ago", "amount", "cosine", "image_url", "kind", "percent_of", "press", "quoted", "thousands", "when")


def thousands(number: int) -> str:
    """A count: 1,234."""
    return f"{number:,}"


def amount(value: float) -> str:
    """A price as people write it: 52, 9.50, 1,200. No catalogue names its currency."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def cosine(score: float) -> str:
    """A similarity; never -0.00."""
    return f"{round(score, 2) + 0.0:.2f}"


def percent_of(score: float, best: float) -> int:
    """Share of the best score, in whole percent; 0 for a score below zero."""
    return round(100 * max(score, 0.0) / best) if best > 0 else 0


def kind(product: Product) -> str:
    """Brand and finest category, or a no-break space, which keeps the line's height."""
    category = product.category.split("/")[-1].strip() or product.product_type
    return " · ".join(filter(None, (product.brand, category))) or "\xa0"


def when(moment: datetime) -> str:
    """A moment, in UTC."""
    return moment.astimezone(UTC).strftime("%d %b %Y, %H:%M UTC")


def ago(seconds: float | None) -> str:
    """An age in seconds, to the day, hour or minute."""
    if seconds is None:
        return "unknown"
    whole = timedelta(seconds=max(0, round(seconds)))
    if whole.days:
        return f"{whole.days} {'day' if whole.days == 1 else 'days'} ago"
    hours, minutes = whole.seconds // 3600, whole.seconds // 60
    return f"{hours} h ago" if hours else f"{minutes} min ago" if minutes else "less than a minute ago"


def quoted(text: str) -> str:
    """Text as one segment of an address."""
    return quote(text, safe="")


def image_url(product: Product) -> str:
    """Address of a product's image, with its hash, so that a browser may keep it."""
    return f"v1/items/{quoted(product.item_id)}/image?v={product.image_sha256}"


def run_url(prefect_url: str, run: str | None) -> str:
    """Address of a flow run in the Prefect UI; "" where the operator named none."""
    if not run or not prefect_url.startswith(("http://", "https://")):
        return ""
    return f"{prefect_url.rstrip('/')}/runs/flow-run/{quoted(run)}"


def press(what: Mapping[str, object]) -> str:
    """Value of ``data-press``: what a press on the element means. `press.js` sends it to `page.Page`."""
    return json.dumps(what)
