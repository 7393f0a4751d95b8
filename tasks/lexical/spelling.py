"""A mistyped word becomes one of the shop's own: a noisy channel (Kernighan, Church and Gale 1990).

A candidate is worth its frequency among the products that have the query's other words, times a price for each edit.
"""

from collections.abc import Callable
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from tasks.lexical.documents import Vocabulary

_EDIT = 0.01  # one edit is as likely as a word a hundred times rarer
_FIRST_LETTER = 0.1  # the first letter is seldom wrong
_LETTERS = range(3, 41)  # of a word that is spelled; a longer one is none
_TWO_EDITS_FROM = 6  # letters; shorter words have too many neighbours
_SAFE_FROM = (4, 8)  # letters from which one edit, and two, are safe to assume; one of the first letter counts twice
_RARE = 3  # products: so rare a word may be a title's own typo
_CONSIDERED = 25


class Candidate(NamedTuple):
    """What a word may stand for, and the price of its edits (1: none). ``bold``: so far off that it needs evidence."""

    words: tuple[str, ...]
    price: float
    bold: bool


#: How many products have all words of a candidate, and how much that counts.
Support = Callable[[Candidate], float]


class Speller:
    """Neighbours of words in a shop's vocabulary. Immutable."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._rows = vocabulary.rows
        self._words = sorted(word for word, rows in self._rows.items() if rows > 1 and _spelled(word))

    def is_suspect(self, word: str, known: bool) -> bool:
        """Whether a word may be a typo: one of letters alone that no product has, or hardly any writes like that.

        known: whether any has it in whatever form.
        """
        return _spelled(word) and (not known or 0 < self._rows[word] <= _RARE)

    def correct(self, word: str, support: Support) -> tuple[str, ...]:
        """The word or words that ``word`` most likely stands for, itself where nothing is likelier."""
        candidates = [*self._neighbours(word), *self._splits(word)]
        candidates.sort(key=lambda one: -one.price * min(self._rows[part] for part in one.words))
        likely = [Candidate((word,), 1, bold=False), *candidates[:_CONSIDERED]]
        worth = [one.price * support(one) if all(self._rows[part] for part in one.words) else 0 for one in likely]
        return likely[max(range(len(likely)), key=worth.__getitem__)].words

    def _neighbours(self, word: str) -> list[Candidate]:
        most = 1 if len(word) < _TWO_EDITS_FROM else 2
        found = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=most, limit=None)
        return [_neighbour(word, other, int(edits)) for other, edits, _ in found if edits]

    def _splits(self, word: str) -> list[Candidate]:
        pairs = [(word[:at], word[at:]) for at in range(2, len(word) - 1)]
        known = [pair for pair in pairs if all(self._rows[part] > _RARE for part in pair)]
        return [Candidate(pair, _EDIT, bold=min(map(len, pair)) < _SAFE_FROM[0]) for pair in known]


def _neighbour(word: str, other: str, edits: int) -> Candidate:
    first = word[0] != other[0]
    price = _EDIT**edits * (_FIRST_LETTER if first else 1)
    return Candidate((other,), price, bold=edits + first > sum(len(word) >= letters for letters in _SAFE_FROM))


def _spelled(word: str) -> bool:
    return len(word) in _LETTERS and word.isalpha()
