"""The page's HTML, piece by piece. Every word that came from a shop or a visitor is escaped here."""

import html
from datetime import UTC, datetime
from urllib.parse import quote

from app.query.answers import Answer, Category, Hit
from app.serving.items import Product
from app.serving.status import LiveStatus


def escape(text: object) -> str:
    """Text for HTML content and attributes. Also hides ``{``, ``$`` and the backtick, which Gradio's templates read."""
    safe = html.escape(str(text), quote=True)
    return safe.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;").replace("`", "&#96;")


def picture_url(product: Product) -> str:
    """Address of a product's picture, with its hash, so that a browser may keep it."""
    return f"v1/items/{quote(product.item_id, safe='')}/image?v={product.image_sha256}"


def cards(answer: Answer) -> str:
    """Grid of the products found."""
    if not answer.hits:
        return state(
            "Nothing found", "This release holds no product yet. Add products to the shop and run the pipeline."
        )
    best = max(hit.score for hit in answer.hits)
    grid = "".join(_card(hit, best) for hit in answer.hits)
    told = f"{len(answer.hits)} products in {answer.milliseconds:.0f} ms"
    return f'<p class="told">{told}</p><div class="grid">{grid}</div>'


def _card(hit: Hit, best: float) -> str:
    product = hit.product
    width = round(100 * max(hit.score, 0.0) / best) if best > 0 else 0
    category = product.category.split("/")[-1].strip() or product.product_type
    meta = " · ".join(escape(part) for part in (product.brand, category) if part)
    size = f'width="{product.image_width}" height="{product.image_height}"'
    item, title = escape(product.item_id), escape(product.title)
    return f"""<article class="card">
<div class="frame"><img src="{escape(picture_url(product))}" alt="{title}" {size} loading="lazy" decoding="async"></div>
<h3 title="{title}">{title}</h3>
<p class="meta">{meta or "&nbsp;"}</p>
<div class="score" title="cosine similarity"><i style="width:{width}%"></i><b>{round(hit.score, 2) + 0.0:.2f}</b></div>
<a class="like" href="?like={quote(product.item_id, safe="")}" data-like="{item}">More like this</a>
</article>"""


def like_banner(product: Product) -> str:
    """Heading of a search by a product of the catalogue."""
    return f"""<div class="banner"><img src="{escape(picture_url(product))}" alt="">
<div><small>More like</small><strong>{escape(product.title)}</strong></div></div>"""


def categories(found: list[Category] | None) -> str:
    """Predicted categories with their probabilities; nothing at all where the release has no classifier."""
    if not found:
        return ""
    rows = "".join(
        f'<li><span>{escape(category.label)}</span><i><b style="width:{100 * category.probability:.0f}%"></b></i>'
        f"<em>{100 * category.probability:.0f}%</em></li>"
        for category in found
    )
    return f'<div class="categories"><h4>Predicted category</h4><ol>{rows}</ol></div>'


def chips(queries: tuple[str, ...]) -> str:
    """Example queries to press."""
    buttons = "".join(f'<button type="button" data-query="{escape(q)}">{escape(q)}</button>' for q in queries)
    return f'<div class="chips"><span>Try</span>{buttons}</div>' if buttons else ""


def state(title: str, words: str, kind: str = "quiet", code: str = "") -> str:
    """A designed empty state: what is the case, and what to do."""
    command = f"<pre>{escape(code)}</pre>" if code else ""
    return f'<div class="state {escape(kind)}"><h3>{escape(title)}</h3><p>{escape(words)}</p>{command}</div>'


def notice(status: LiveStatus) -> str:
    """What a visitor must know before typing: nothing while all is well."""
    if status.snapshot is not None:
        return ""
    if status.refused:
        return state("The release cannot be loaded", status.refused.reason, "bad")
    if status.store_error:
        return state("The store does not answer", f"{status.store_error} The page tries again by itself.", "bad")
    if status.loading:
        return state("Getting ready", f"Release {status.loading} is being loaded. The page begins by itself.")
    words = "Run the pipeline once. This page begins to answer by itself as soon as a release is live."
    return state("Nothing published yet", words, code="python -m flows.pipeline")


def foot(status: LiveStatus, prefect_url: str = "") -> str:
    """What answers here, since when, and what is wrong with it."""
    snapshot = status.snapshot
    if snapshot is None:
        return '<footer class="foot"><span>No release is live.</span></footer>'
    release, pointer = snapshot.release, snapshot.pointer
    run = release.run or pointer.run
    name = f"Release <code>{escape(release.id)}</code>"
    if prefect_url.startswith(("http://", "https://")) and run:
        address = f"{prefect_url.rstrip('/')}/runs/flow-run/{quote(run, safe='')}"
        name = f'<a href="{escape(address)}" target="_blank" rel="noreferrer">{name}</a>'
    parts = [
        name,
        f"generation {pointer.generation}",
        f"live since {_when(pointer.published_at)}",
        f"{len(snapshot.items):,} products",
        f"model {escape(snapshot.model_name)} <code>{escape(release.model.id)}</code>",
    ]
    notes = [f'<span class="warn">{escape(text)}</span>' for text in _warnings(status)]
    return f'<footer class="foot">{"".join(f"<span>{part}</span>" for part in parts)}{"".join(notes)}</footer>'


def _warnings(status: LiveStatus) -> list[str]:
    told = []
    if status.stale:
        looked = f" The last look that succeeded was on {_when(status.checked_at)}." if status.checked_at else ""
        told.append(
            f"What is live cannot be read, so this may not be the newest release.{looked} {status.store_error or ''}"
        )
    if status.refused and status.snapshot and status.refused.release != status.snapshot.release.id:
        told.append(
            f"Release {status.refused.release} is live but cannot be loaded, so this one stays: {status.refused.reason}"
        )
    return told


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%d %b %Y, %H:%M UTC")
