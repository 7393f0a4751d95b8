"""Exports that write one product on several rows: variants, extra images, the texts of other store views."""

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.catalog.cells import as_text, is_filled
from tasks.catalog.tables.rows import RawRow

Values = Mapping[str, Any]
GROUP = "(product)"  # made column: what the rows of one product share
GALLERY = "(further images)"  # made column: the images of rows that hold nothing else
EXTRA_IMAGE = "extra image"

_MOST_OPTIONS = 10
#: What options are called in shops, and the field of ours that each is.
_OPTIONS = {
    "color": {"color", "colour", "farbe", "couleur", "colore", "kleur", "cor", "kolor", "färg", "farve"},
    "material": {"material", "fabric", "stoff", "matière", "materiale", "materiaal"},
    "pattern": {"pattern", "muster", "motif", "print"},
}


@dataclass(frozen=True)
class Families:
    """Which rows belong together, and what the later ones take from the first.

    ``of`` names a row's product; with ``below`` it names a product, whose further rows follow it. ``kind`` is
    "product", "variant" (an item that takes the cells it leaves empty from its product, except columns like those in
    ``own``), "extra image" (one more in column ``image``), or anything else: counted, and no item.
    """

    of: Callable[[Values], str]
    kind: Callable[[Values], str]
    own: Sequence[str] = ()
    image: str = ""
    below: bool = False
    also: Callable[[Values], str] | None = None  # a second name by which variants call their product
    named: Callable[[Values], list[str]] | None = None  # products whose group this row is
    options: tuple[str, str] | None = None  # columns with name and value of option ``{at}``
    more: Callable[[Values, Values], dict[str, Any]] | None = None  # further columns, of row and product

    def joined(self, rows: Sequence[RawRow]) -> tuple[list[RawRow], dict[str, int]]:
        """The rows that are items, whole, and how many others were folded into them, by kind."""
        products, of_row = self._products(rows)
        groups = {name: product for product, row in products.items() for name in self._members(row)}
        kept, folded = [], Counter[str]()
        for row, product in zip(rows, of_row, strict=True):
            head = products.get(product)
            kind = "product" if row.reason or head is None else self.kind(row.values)
            if kind in ("product", "variant"):
                kept.append((row, head, groups.get(product, product)))
                folded["variants"] += kind == "variant"
            else:
                folded[f"{kind}s".replace(" ", "_")] += 1
                if kind == EXTRA_IMAGE and head is not None:
                    head.values.setdefault(GALLERY, []).append(row.values.get(self.image))
        sizes = Counter(group for _, _, group in kept)
        for row, head, group in kept:
            if head is not None and not row.reason:
                self._complete(row, head, group if sizes[group] > 1 else "")
        return [row for row, _, _ in kept], {kind: count for kind, count in folded.items() if count}

    def _products(self, rows: Sequence[RawRow]) -> tuple[dict[str, RawRow], list[str]]:
        products: dict[str, RawRow] = {}
        of_row, above = [], ""
        for row in rows:
            is_product = not row.reason and self.kind(row.values) == "product"
            name = above = self.of(row.values) if is_product or not self.below else above
            of_row.append(name)
            if is_product:
                products.setdefault(name, row)
                if self.also:
                    products.setdefault(self.also(row.values), row)
        return products, of_row

    def _members(self, row: RawRow) -> list[str]:
        return self.named(row.values) if self.named else []

    def _complete(self, row: RawRow, head: RawRow, group: str) -> None:
        found: dict[str, Any] = {GROUP: group} | (self.more(row.values, head.values) if self.more else {})
        for name, value in self._options(row.values, head.values):
            found.setdefault(
                next((field for field, names in _OPTIONS.items() if name.casefold() in names), name), value
            )
        _fill(row.values, found)
        if row is not head:
            _fill(row.values, {name: value for name, value in head.values.items() if not self._is_own(name)})

    def _is_own(self, name: str) -> bool:
        return name == GALLERY or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.own)

    def _options(self, values: Values, product: Values) -> Iterable[tuple[str, str]]:
        if self.options:
            for at in range(1, _MOST_OPTIONS):
                name, value = (column.format(at=at) for column in self.options)
                called = as_text(values.get(name)) or as_text(product.get(name))
                said = as_text(values.get(value))
                if called and said and (called, said) != ("Title", "Default Title"):
                    yield called, said


def _fill(values: dict[str, Any], more: Values) -> None:
    for name, value in more.items():
        if not is_filled(values.get(name)):
            values[name] = value
