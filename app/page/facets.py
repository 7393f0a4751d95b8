"""The filters beside the results: every value with what it would leave, and the filters in force."""

from dataclasses import dataclass

from app.page.formats import amount
from app.page.search_state import SearchState
from app.query.facets import Facet, FacetValue

_FIRST = 6  # values of a column shown at once; the rest unfolds
_LABELS = {"color": "Colour", "product_type": "Type"}


@dataclass(frozen=True)
class Choice:
    """One value to choose. ``words`` and ``says``: its text and accessible name; ``depth``: how far it is indented."""

    value: str
    count: int
    chosen: bool
    words: str
    says: str
    depth: int = 0


@dataclass(frozen=True)
class Group:
    """The values of one column: the first ones, and those that unfold."""

    column: str
    label: str
    first: list[Choice]
    rest: list[Choice]


def groups(facets: list[Facet]) -> list[Group]:
    """The columns that have something to choose."""
    return [group for facet in facets if (group := _group(facet)).first]


def in_force(state: SearchState) -> list[tuple[str, dict[str, object]]]:
    """Each filter of a search in words, and the press that takes it away."""
    found: list[tuple[str, dict[str, object]]] = [
        (f"{_label(column)}: {_leaf(column, value)}", {"toggle": [column, value]}) for column, value in state.chosen
    ]
    if state.priced:
        least, most = (None if bound is None else amount(bound) for bound in state.price)
        words = f"{least} to {most}" if least and most else f"from {least}" if least else f"up to {most}"
        found.append((f"Price: {words}", {"price": ["", ""]}))
    return found


def price_range(prices: tuple[float, float] | None, state: SearchState) -> tuple[float, float] | None:
    """The prices to choose from; None where all products cost the same."""
    return prices if prices and (prices[0] < prices[1] or state.priced) else None


def _label(column: str) -> str:
    """A column's name as a visitor reads it."""
    words = column.removeprefix("attributes.").replace("_", " ").strip()
    return _LABELS.get(column) or words[:1].upper() + words[1:]


def _group(facet: Facet) -> Group:
    label = _label(facet.column)
    values = _as_tree(facet.values) if facet.column == "category" else [(one, one.value, 0) for one in facet.values]
    choices = [
        Choice(
            **value.model_dump(),
            words=words,
            says=f"{label} {words}, {value.count} {'product' if value.count == 1 else 'products'}",
            depth=depth,
        )
        for value, words, depth in values
    ]
    first = max(_FIRST, sum(value.chosen for value in facet.values))
    if len(choices) <= first + 1:  # no fold for a single value
        first = len(choices)
    return Group(facet.column, label, choices[:first], choices[first:])


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

    tree = []
    for value in sorted((value for value in values if value.value not in trunk), key=order):
        above = parents(value.value)
        words = value.value.removeprefix(f"{above[-1]}/") if above else value.value
        tree.append((value, words.rpartition("/")[2] or words, len(above)))
    return tree


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
