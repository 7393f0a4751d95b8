"""The filters beside the results: every value with what it would leave, the chosen ones to be taken away again."""

from app.page.cards import amount, escape, pressed
from app.page.search_state import Asked
from app.query.facets import Facet, FacetValue

_FIRST = 6  # values of a column shown at once; the rest unfolds
_LABELS = {"color": "Colour", "product_type": "Type"}


def label(column: str) -> str:
    """A column's name as a visitor reads it."""
    words = column.removeprefix("attributes.").replace("_", " ").strip()
    return _LABELS.get(column) or words[:1].upper() + words[1:]


def panel(facets: list[Facet], asked: Asked, prices: tuple[float, float] | None) -> str:
    """All filters. On a phone they unfold; `press.js` keeps them open on a wide screen."""
    groups = [_group(facet) for facet in facets if facet.values]
    if prices and (prices[0] < prices[1] or asked.price != (None, None)):
        groups.append(_prices(asked, *prices))
    if not groups:
        return ""
    count = len(asked.chosen) + (asked.price != (None, None))
    number = f" <b>{count}</b>" if count else ""
    return f"""<details class="filters" data-key="filters"><summary data-key="filters-open">Filters{number}</summary>
<div role="region" aria-label="Filters">{"".join(groups)}</div></details>"""


def chosen(asked: Asked) -> str:
    """The filters in force, each to be pressed away, and all at once."""
    if not asked.filtered:
        return ""
    buttons = [
        _away(f"{label(column)}: {_leaf(column, value)}", pressed(toggle=[column, value]))
        for column, value in asked.chosen
    ]
    if asked.price != (None, None):
        least, most = (None if bound is None else amount(bound) for bound in asked.price)
        words = f"{least} to {most}" if least and most else f"from {least}" if least else f"up to {most}"
        buttons.append(_away(f"Price: {words}", pressed(price=["", ""])))
    return f'<div class="chosen" role="group" aria-label="Chosen filters">{"".join(buttons)}{clear_button()}</div>'


def clear_button(words: str = "Clear all") -> str:
    """Takes every filter away."""
    return (
        f'<button type="button" class="clear" data-key="clear" data-then="told" {pressed(clear=True)}>{words}</button>'
    )


def _away(words: str, press: str) -> str:
    return f"""<button type="button" data-then="told" aria-label="Remove filter {escape(words)}" {press}>
{escape(words)}<span aria-hidden="true"> ×</span></button>"""


def _group(facet: Facet) -> str:
    values = (
        _as_tree(facet.values) if facet.column == "category" else [(value, value.value, 0) for value in facet.values]
    )
    buttons = [_value(facet.column, value, words, depth) for value, words, depth in values]
    if not buttons:
        return ""
    first = max(_FIRST, sum(value.chosen for value in facet.values))
    rest = buttons[first:] if len(buttons) > first + 1 else []
    more = ""
    if rest:
        key = escape(f"more-{facet.column}")
        more = f'<details data-key="{key}"><summary>{len(rest)} more</summary>{"".join(rest)}</details>'
    shown = "".join(buttons[: len(buttons) - len(rest)])
    return f"""<section class="facet" role="group" aria-label="{escape(label(facet.column))}">
<h2>{escape(label(facet.column))}</h2>{shown}{more}</section>"""


def _value(column: str, value: FacetValue, words: str, depth: int) -> str:
    key = escape(f"{column}={value.value}")
    says = escape(f"{label(column)} {words}, {value.count} {'product' if value.count == 1 else 'products'}")
    return f"""<button type="button" class="value" style="--depth:{depth}" aria-pressed="{str(value.chosen).lower()}"
aria-label="{says}" title="{escape(value.value)}" data-key="{key}" {pressed(toggle=[column, value.value])}>
<span>{escape(words)}</span><em>{value.count:,}</em></button>"""


def _as_tree(values: list[FacetValue]) -> list[tuple[FacetValue, str, int]]:
    """Categories below what they lie in: each with the words that are its own, and how deep it is."""
    place = {value.value: at for at, value in enumerate(values)}
    trunk = _trunk(values)

    def parents(path: str) -> list[str]:
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        return [one for one in above if one in place and one not in trunk]

    def order(value: FacetValue) -> list[int]:
        return [place[path] for path in (*parents(value.value), value.value)]

    told = []
    for value in sorted((value for value in values if value.value not in trunk), key=order):
        above = parents(value.value)
        words = value.value.removeprefix(f"{above[-1]}/") if above else value.value
        told.append((value, words.rpartition("/")[2] or words, len(above)))
    return told


def _trunk(values: list[FacetValue]) -> set[str]:
    """Categories in which all others lie, e.g. "Home": to choose them changes nothing."""

    def below(one: FacetValue, other: FacetValue) -> bool:
        return one.value.startswith(f"{other.value}/")

    return {
        one.value
        for one in values
        if not one.chosen
        and any(below(other, one) for other in values)
        and all(other is one or below(other, one) or below(one, other) for other in values)
    }


def _leaf(column: str, value: str) -> str:
    return value.rpartition("/")[2] if column == "category" else value


def _prices(asked: Asked, least: float, most: float) -> str:
    fields = "".join(
        f'<input type="number" inputmode="decimal" min="0" step="any" aria-label="Price {words}" '
        f'placeholder="{bound:g}" value="{"" if said is None else f"{said:g}"}">'
        for words, bound, said in (("from", least, asked.price[0]), ("up to", most, asked.price[1]))
    )
    return f"""<section class="facet" role="group" aria-label="Price"><h2>Price</h2>
<form class="prices">{fields}<button type="submit" data-key="price">Apply</button></form></section>"""
