"""Type-ahead: what a release's products are called, found by the beginning of any word."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rapidfuzz import process
from rapidfuzz.distance import OSA

from app.serving.columns import Columns, path_prefixes
from app.serving.items import Items
from app.serving.title_phrases import Phrase, count_phrases, fold
from tasks.lexical.words import Run, algorithm_of, compounds, joined, runs, stem, stopwords_of

Kind = Literal["category", "brand", "product_type", "color_type", "title"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: What is suggested: its kind, and the values of that kind's columns; of a title, its folded words.
Key = tuple[Kind, tuple[str, ...]]

_LEAST_TITLES, _LEAST_SHARE = 3, 0.0001  # of titles that say the same
_MOST = 20_000  # names of one kind, the most common ones
_LONGEST = 60  # letters; what is longer is no name
_WORDS_READ = 8
_LEAST_LETTERS = 3  # of a prefix that may be mistyped
_TWO_EDITS_FROM = 6
_MENDED = 2  # mistyped words of one request
_AFTER_ALL = chr(0x10FFFF)


class Name(NamedTuple):
    """One suggestion: how it is written, and what it stands for."""

    text: str
    key: Key


@dataclass(frozen=True, eq=False, repr=False)
class Suggestions:
    """Names of a catalogue and the words they hold. Immutable.

    names: the most common first. counts: (names,) products of each that are shown. words: folded, sorted; word i is in
    the names ``holders[starts[i] : starts[i + 1]]``.
    """

    names: tuple[Name, ...]
    counts: np.ndarray
    words: tuple[str, ...]
    starts: np.ndarray
    holders: np.ndarray

    @classmethod
    def open(cls, path: Path, columns: Columns) -> "Suggestions":
        """Read them from ``items.parquet`` of an index and its columns."""
        titles = pq.read_table(path, columns=["title"])["title"].combine_chunks()
        phrases = count_phrases(titles, max(_LEAST_TITLES, int(_LEAST_SHARE * len(titles))))
        counted = _counted(columns, slice(None), phrases)
        named = _named(counted, phrases, _algorithm(columns))
        names = tuple(sorted(named, key=lambda name: (-counted[name.key], KINDS.index(name.key[0]), len(name.text))))
        holders: defaultdict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            for word in set(map(fold, _words_in(name.text))):
                holders[word].append(number)
        words = tuple(sorted(holders))
        return cls(
            names=names,
            counts=np.array([counted[name.key] for name in names], np.int64),
            words=words,
            starts=np.cumsum([0, *(len(holders[word]) for word in words)]),
            holders=np.array([number for word in words for number in holders[word]], np.int32),
        )

    def shown(self, items: Items, columns: Columns) -> "Suggestions":
        """The same without the products that ``items`` does not show. Shares the names with this one."""
        allowed = items.allowed()
        if allowed is None:
            return self
        hidden = np.flatnonzero(~allowed)
        titles = pa.array([product.title for product in items.products(hidden)], pa.string())
        gone = _counted(columns, hidden, count_phrases(titles, least=1))
        return replace(self, counts=self.counts - np.array([gone[name.key] for name in self.names], np.int64))

    def find(self, typed: str, limit: int) -> list[tuple[Name, int]]:
        """Names with words that begin with those typed, in any order, and their products; the most common first.

        Only where there is none, a typo is forgiven in the words that no name has, or else in the last one.
        """
        read = compounds(runs(typed)[:_WORDS_READ], self._begins_a_word)
        if not read:
            return []
        holding = [self._holding(run) for run in read]
        found = self._common(holding)
        if not len(found):
            unknown = [at for at, held in enumerate(holding) if not len(held)] or [len(read) - 1]
            if len(unknown) > _MENDED:
                return []
            for at in unknown:
                holding[at] = self._nearly_holding(fold(joined(read[at])))
            found = self._common(holding)
        best = found[np.lexsort((found, -self.counts[found]))[:limit]]
        return [(self.names[number], int(self.counts[number])) for number in best.tolist()]

    def _common(self, holding: Iterable[np.ndarray]) -> np.ndarray:
        found = reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), holding)
        return np.asarray(found[self.counts[found] > 0])

    def _holding(self, run: Run) -> np.ndarray:
        """Numbers of the names that have all parts of a linked word, or all of it as one."""
        whole = self._beginning([fold(joined(run))])
        if len(run.parts) == 1:
            return whole
        return np.union1d(whole, self._common(self._beginning([fold(part)]) for part in run.parts))

    def _begins_a_word(self, prefix: str) -> bool:
        return len(self._beginning([fold(prefix)])) > 0

    def _beginning(self, prefixes: Iterable[str]) -> np.ndarray:
        """Numbers of the names with a word that begins with one of ``prefixes``, rising."""
        ranges = [(bisect_left(self.words, one), bisect_left(self.words, one + _AFTER_ALL)) for one in prefixes]
        parts = [self.holders[self.starts[first] : self.starts[last]] for first, last in ranges]
        return np.unique(np.concatenate([self.holders[:0], *parts]))

    def _nearly_holding(self, prefix: str) -> np.ndarray:
        """Numbers of the names with a word whose beginning is fewest edits away, best of the same first letter."""
        if len(prefix) < _LEAST_LETTERS:
            return self.holders[:0]
        most = 1 if len(prefix) < _TWO_EDITS_FROM else 2
        lengths = range(len(prefix) - 1, len(prefix) + 2)
        begun = {word[:length] for word in self.words for length in lengths if len(word) >= length}
        near = process.extract(prefix, begun, scorer=OSA.distance, score_cutoff=most, limit=None)
        distances = [(edits, one[0] != prefix[0]) for one, edits, _ in near]
        least = min(distances, default=None)
        return self._beginning(one[0] for one, far in zip(near, distances, strict=True) if far == least)


def _counted(columns: Columns, rows: slice | np.ndarray, phrases: dict[str, Phrase]) -> Counter[Key]:
    """Products of every name among ``rows``, of whose titles the phrases are."""
    counted: Counter[Key] = Counter({("title", (folded,)): phrase.titles for folded, phrase in phrases.items()})
    text = columns.text
    for kind in ("category", "brand", "product_type"):
        if kind in text:
            found = np.bincount(text[kind].codes[rows], minlength=len(text[kind].values))
            for code in np.flatnonzero(found).tolist():
                value = text[kind].values[code]
                for one in path_prefixes(value) if kind == "category" else [value]:
                    counted[kind, (one,)] += int(found[code])
    if "color" in text and "product_type" in text:
        color, sort = text["color"], text["product_type"]
        pairs = color.codes[rows].astype(np.int64) * len(sort.values) + sort.codes[rows]
        for pair, count in zip(*map(np.ndarray.tolist, np.unique(pairs, return_counts=True)), strict=True):
            values = (color.values[pair // len(sort.values)], sort.values[pair % len(sort.values)])
            counted["color_type", values] = count
    return counted


def _named(counted: Counter[Key], phrases: dict[str, Phrase], algorithm: str) -> Iterator[Name]:
    """Names to suggest. What the columns say stands for the same words of a title, and a category for its type."""
    paths = [path for kind, (path, *_) in counted if kind == "category"]
    leaves = Counter(_leaf(path) for path in paths)
    spelled = {_same(_leaf(path), algorithm): _leaf(path) for path in paths}
    taken: set[str] = set()
    for kind in KINDS:
        for key, _ in _most_common(counted, kind):
            match key:
                case "category", (path,):
                    text = path if leaves[_leaf(path)] > 1 else _leaf(path)
                case "product_type" | "color_type", (*color, sort):
                    text = " ".join([*color, spelled.get(_same(sort, algorithm), sort)])
                case "title", (folded,):
                    text = phrases[folded].text if _says_something(folded, phrases[folded], algorithm) else ""
                case _, (text,):
                    pass
            same = _same(text, algorithm)
            if same and len(text) <= _LONGEST and (kind in ("category", "brand") or same not in taken):
                taken.add(same)
                yield Name(text, key)


def _most_common(counted: Counter[Key], kind: Kind) -> list[tuple[Key, int]]:
    """Of one kind, without those that a column leaves empty."""
    ours = [(key, count) for key, count in counted.items() if key[0] == kind and all(key[1])]
    return sorted(ours, key=lambda pair: (-pair[1], pair[0]))[:_MOST]


def _says_something(folded: str, phrase: Phrase, algorithm: str) -> bool:
    """Whether a phrase of titles may stand alone: no "for men", no number, no half of a name."""
    words = folded.split()
    whole = phrase.closed or len(words) == 1
    return whole and any(map(str.isalpha, words)) and not stopwords_of(algorithm).intersection((words[0], words[-1]))


def _algorithm(columns: Columns) -> str:
    """Snowball's algorithm for the shop's most common language."""
    language = columns.text.get("language")
    if language is None:
        return "english"
    common = int(np.bincount(language.codes).argmax())
    return algorithm_of(language.values[common]) or "english"


def _leaf(path: str) -> str:
    return path.rpartition("/")[2]


def _words_in(text: str) -> Iterator[str]:
    return (word for part in text.replace("/", " ").split() for run in runs(part) for word in (joined(run), *run.parts))


def _same(text: str, algorithm: str) -> str:
    """A text in the form that is equal for its singular and plural, and for all spellings."""
    parts = text.replace("/", " ").split()
    return " ".join(stem(joined(run), algorithm) for part in parts for run in runs(part))
