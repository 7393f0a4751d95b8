"""Products as HTML. Every word that came from a shop or a visitor is escaped by `escape`."""

import html
import itertools
import json
from urllib.parse import quote

from app.query.answers import Category, Hit
from app.serving.items import Product

_answers = itertools.count(1)


def escape(text: object) -> str:
    """Text for HTML content and attributes. Also hides ``{``, ``$`` and the backtick, which Gradio's templates read."""
    safe = html.escape(str(text), quote=True)
    return safe.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;").replace("`", "&#96;")


def pressed(**what: object) -> str:
    """Attribute that says what a press on the element means: `page.press` is told of it."""
    return f'data-press="{escape(json.dumps(what))}"'


def numbered() -> str:
    """Attribute that makes every answer another one, so that `press.js` sees it come."""
    return f'data-answer="{next(_answers)}"'


def image_url(product: Product) -> str:
    """Address of a product's image, with its hash, so that a browser may keep it."""
    return f"v1/items/{quote(product.item_id, safe='')}/image?v={product.image_sha256}"


def grid(hits: list[Hit]) -> str:
    """Cards of the products found, best first."""
    best = max(hit.score for hit in hits)
    return f'<div class="grid">{"".join(card(hit, best) for hit in hits)}</div>'


def card(hit: Hit, best: float) -> str:
    """One product. ``best``: the highest score shown."""
    product = hit.product
    category = product.category.split("/")[-1].strip() or product.product_type
    meta = " · ".join(escape(part) for part in (product.brand, category) if part)
    title, like = escape(product.title), quote(product.item_id, safe="")
    return f"""<article class="card">
<div class="frame">{image(product)}</div>
<h3 title="{title}">{title}</h3>
<p class="meta"><span>{meta or "&nbsp;"}</span>{price(product)}</p>
{score(hit, best)}
<a class="like" href="?like={like}" data-key="card-{hit.rank}" aria-label="More like {title}"
{pressed(like=product.item_id)}>More like this</a>
</article>"""


def score(hit: Hit, best: float) -> str:
    """The score as a bar, which ``best`` fills, and as a number."""
    width = round(100 * max(hit.score, 0.0) / best) if best > 0 else 0
    return f"""<div class="score" title="similarity: cosine between query and picture"><i style="width:{width}%"></i>
<b>{round(hit.score, 2) + 0.0:.2f}</b></div>"""


def price(product: Product) -> str:
    """The price where the shop tells one. Of which currency, no catalogue says."""
    return "" if product.price is None else f'<span class="price">{amount(product.price)}</span>'


def amount(value: float) -> str:
    """A price as people write it: 52, 9.50, 1,200."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def banner(product: Product | None, title: str, actions: str) -> str:
    """What the results below are like: a product of the catalogue, or the visitor's own image."""
    shown = image(product, eager=True) if product else ""
    name = f"<strong>{escape(product.title)}</strong>" if product else ""
    return f'<div class="banner">{shown}<div><small>{escape(title)}</small>{name}</div>{actions}</div>'


def categories(found: list[Category] | None) -> str:
    """Predicted categories with their probabilities; nothing at all where the release has no classifier."""
    if not found:
        return ""
    rows = "".join(
        f'<li><span>{escape(category.label)}</span><i><b style="width:{100 * category.probability:.0f}%"></b></i>'
        f"<em>{100 * category.probability:.0f}%</em></li>"
        for category in found
    )
    return f'<div class="categories"><h2>Predicted category</h2><ol>{rows}</ol></div>'


def chips(queries: tuple[str, ...]) -> str:
    """Example queries to press."""
    buttons = "".join(f'<button type="button" {pressed(query=query)}>{escape(query)}</button>' for query in queries)
    return f'<div class="chips"><span>Try</span>{buttons}</div>' if buttons else ""


def image(product: Product, eager: bool = False) -> str:
    """The image of a product; a lazy one is loaded when it comes into sight."""
    size = f'width="{product.image_width}" height="{product.image_height}"'
    loading = "" if eager else 'loading="lazy"'
    return f'<img src="{escape(image_url(product))}" alt="{escape(product.title)}" {size} {loading} decoding="async">'
