"""What a visitor asks for on one tab: words, an image, what must not be there, and the filters chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from urllib.parse import urlencode

from app.query.facets import USEFUL
from app.query.filters import And, Filter, In, Range
from app.query.question import Part, Question
from app.query.uploads import Uploads
from app.serving.columns import PRICE

_OWN = ("q", "like", "minus", "mix", "exact", "price_from", "price_to")  # names in an address that are no column's
_MOST_FILTERS = 64
_MINUS = -0.7  # beside image and words, whose weights together are 1
_HALF = 50


@dataclass(frozen=True)
class SearchState:
    """One tab's question in plain values, so that a session can keep it. Every change makes a new one.

    image: where Gradio put the upload; like: id of a product instead. mix: share of the words beside an image, in %.
    exact: the words are taken as they are, typos and all.
    chosen: (column, value) pairs; shown: how many results to show, 0 for the setting.
    """

    words: str = ""
    minus: str = ""
    image: str = ""
    like: str = ""
    mix: int = _HALF
    exact: bool = False
    chosen: tuple[tuple[str, str], ...] = ()
    price: tuple[float | None, float | None] = (None, None)
    shown: int = 0

    @classmethod
    def from_address(cls, pairs: Iterable[tuple[str, str]]) -> "SearchState":
        """What an address asks for: ``?q=mug&color=red``. Gradio's own ``__theme`` and the like are no filters."""
        pairs = list(pairs)
        said: Mapping[str, str] = dict(pairs)
        chosen = tuple(pair for pair in pairs if pair[0] not in _OWN and not pair[0].startswith("__"))
        return cls(
            words=said.get("q", ""),
            like=said.get("like", ""),
            minus=said.get("minus", ""),
            exact=said.get("exact") == "1",
            mix=int(said["mix"]) if said.get("mix", "").isdecimal() and int(said["mix"]) <= 100 else _HALF,
            chosen=chosen[:_MOST_FILTERS],
            price=(_number(said.get("price_from")), _number(said.get("price_to"))),
        )

    # The question

    @property
    def anything(self) -> bool:
        """Whether there is a question at all."""
        return bool(self.words.strip() or self.image or self.like or self.minus.strip())

    @property
    def priced(self) -> bool:
        """Whether a price range is chosen."""
        return self.price != (None, None)

    @property
    def filters(self) -> int:
        """How many filters are chosen."""
        return len(self.chosen) + self.priced

    @property
    def address(self) -> str:
        """Query string that asks the same, "" for an upload: nobody else has the file."""
        if self.image or not self.anything:
            return ""
        said = {"q": self.words, "like": self.like, "minus": self.minus}
        pairs: list[tuple[str, object]] = [(name, value) for name, value in said.items() if value]
        if self.mix != _HALF and self.like and self.words:
            pairs.append(("mix", self.mix))
        if self.exact and self.words:
            pairs.append(("exact", 1))
        pairs += [*self.chosen]
        prices = zip(("price_from", "price_to"), self.price, strict=True)
        pairs += [(name, f"{bound:g}") for name, bound in prices if bound is not None]
        return f"?{urlencode(pairs)}"

    def question(self, uploads: Uploads, top_k: int) -> Question:
        """The question for `Search.answer`. Raises BadImage, Busy, OSError."""
        parts = tuple(self._parts(uploads))
        return Question(parts, where=self._where(), top_k=top_k, facets=(USEFUL,), mode="auto", correct=not self.exact)

    def _parts(self, uploads: Uploads) -> Iterable[Part]:
        words, minus, shows = self.words.strip(), self.minus.strip(), bool(self.image or self.like)
        share = self.mix / 100 if words and shows else 1.0
        seen = 1 - share if words else 1.0
        if self.image and seen:
            yield Part(uploads.decode(Path(self.image).read_bytes()), seen)
        elif self.like and seen:
            yield Part(self.like, seen, item=True)
        if words and share:
            yield Part(words, share)
        if minus:
            yield Part(minus, _MINUS if words or shows else -1.0)

    def _where(self) -> Filter | None:
        values: dict[str, tuple[str, ...]] = {}
        for column, value in self.chosen:
            values[column] = (*values.get(column, ()), value)
        clauses: list[Filter] = [In(column=column, values=chosen) for column, chosen in values.items()]
        if self.priced:
            clauses.append(Range(column=PRICE, gte=self.price[0], lte=self.price[1]))
        return And(clauses=tuple(clauses)) if clauses else None

    # How it changes

    def toggled(self, column: str, value: str) -> "SearchState":
        """With a value chosen, or not any more. A category takes the place of those above and below it."""
        pair = (column, value)
        others = tuple(one for one in self.chosen if one != pair)
        if len(others) == len(self.chosen):
            if column == "category":
                others = tuple(one for one in others if one[0] != column or not _one_path(one[1], value))
            others = (*others, pair)[-_MOST_FILTERS:]
        return replace(self, chosen=others, shown=0)

    def with_price(self, least: object, most: object) -> "SearchState":
        """With another price range. What is no number is no bound."""
        return replace(self, price=(_number(least), _number(most)), shown=0)

    def cleared(self) -> "SearchState":
        """Without filters."""
        return replace(self, chosen=(), price=(None, None), shown=0)

    def known(self, columns: Iterable[str]) -> "SearchState":
        """Without filters on columns that the release has not."""
        names = set(columns)
        return replace(self, chosen=tuple(pair for pair in self.chosen if pair[0] in names))


def _one_path(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _number(said: object) -> float | None:
    try:
        number = float(str(said))
    except ValueError:
        return None
    return number if isfinite(number) else None
