"""Search a word index: a query's words, mended where the shop has no such word, against every product."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.lexical.documents import VALUE, VALUE_WORDS, phrase_of
from tasks.lexical.index import LexicalIndex, open_words
from tasks.lexical.spelling import Candidate, Speller
from tasks.lexical.words import Run, joined, normalise, spoken, stem, stopwords_of
from tasks.schema.errors import ConfigError

_OF_ALL = 0.01  # how much a product counts for a correction that has none of the query's other words
_EVIDENCE = 0.02  # share of the products with the query's other words that must have a far-fetched correction
_MENDED = 6  # typos of one query; each is compared with dozens of words
_WORDS_READ = 32  # of a longer query the rest is left unread


@dataclass(frozen=True)
class LexicalMatch:
    """How well every row of the index's items has a query's words, and how the query was read.

    scores: (n,) float32, 0 where no word is; comparable within one match only. corrected: the query with its typos
    mended, None where it was taken as it is. unknown: its words that the shop does not have. coverage: the share of its
    words that the product with most of them has.
    """

    scores: np.ndarray
    corrected: str | None = None
    unknown: tuple[str, ...] = ()
    coverage: float = 1.0

    @property
    def found(self) -> np.ndarray:
        """(n,) bool: rows with at least one of the words."""
        return self.scores > 0

    def best(self, top_k: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores (k,) float32 and rows (k,) int64 of the best matches, k <= top_k, equal ones by row.

        allowed: (n,) bool, rows that may be returned; None allows all. Raises ConfigError.
        """
        if top_k < 1:
            raise ConfigError(f"top_k={top_k}: expected 1 or more")
        if allowed is not None and (allowed.shape != self.scores.shape or allowed.dtype != np.bool_):
            raise ConfigError(
                f"allowed: found {allowed.dtype} of {allowed.shape}, expected bool of {self.scores.shape}"
            )
        rows = np.flatnonzero(self.found if allowed is None else self.found & allowed)
        scores = self.scores[rows]
        if len(rows) > top_k:
            least = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
            rows, scores = rows[scores >= least], scores[scores >= least]
        order = np.lexsort((rows, -scores))[:top_k]
        return scores[order], rows[order]


class _Slot(NamedTuple):
    """One word of a query: its other forms, each with the share of its score that counts here."""

    forms: tuple[tuple[str, float], ...]


class LexicalSearcher:
    """One open index, immutable: searches may run in any number of threads."""

    def __init__(self, index: LexicalIndex) -> None:
        self._index = index
        self._ids: dict[str, int] = index.bm25.vocab_dict
        self._values: dict[str, list[int]] = {}
        for token, code in self._ids.items():
            if VALUE in token:
                self._values.setdefault(token.partition(VALUE)[2], []).append(code)
        self._speller = Speller(index.vocabulary)
        self._stopwords = frozenset[str]().union(*map(stopwords_of, index.languages))

    @classmethod
    def open(cls, folder: Path) -> "LexicalSearcher":
        """Memory-map the index in ``folder``. Raises ArtifactMissing, ArtifactCorrupt."""
        return cls(open_words(folder))

    @property
    def rows(self) -> int:
        """Products in the index."""
        return self._index.rows

    def match(self, text: str, correct: bool = True) -> LexicalMatch:
        """Score every product by how many of a query's words it has, and where.

        A product whose id, SKU or GTIN is ``text`` comes first, and nothing is corrected then, nor without ``correct``.
        """
        text, named = normalise(text), self._named(text)
        mended = self._mended(text) if correct and not len(named) else text
        read = self._read(mended)
        scores, coverage = self._scores(read)
        if len(named):
            scores[named] = scores.max() + 1
            return LexicalMatch(scores)
        unknown = tuple(joined(run) for run in read if not self._known(run))
        return LexicalMatch(scores, mended if mended != text else None, unknown, coverage)

    def _named(self, text: str) -> np.ndarray:
        """Rows that the whole text is the id, SKU or GTIN of."""
        found = self._index.rows_named(text) if any(map(str.isalnum, text)) else ()
        return np.unique(np.array(found, np.int64))

    def _read(self, text: str) -> Sequence[Run]:
        read = self._index.vocabulary.read(text)[:_WORDS_READ]
        return [run for run in read if joined(run) not in self._stopwords] or read

    def _mended(self, text: str) -> str:
        """The normalised text with its unknown words corrected."""
        read, mended = self._read(text), text
        for run in reversed([run for run in read if self._is_suspect(run)][:_MENDED]):  # places before it stay
            others = [joined(other) for other in read if other is not run and self._known(other)]
            context = self._having_all(others) if others else None
            found = self._speller.correct(joined(run), partial(self._support, context))
            if found != (joined(run),):
                mended = mended[: run.start] + " ".join(found) + mended[run.end :]
        return mended

    def _is_suspect(self, run: Run) -> bool:
        known = self._known(run)
        return not (known and len(run.parts) > 1) and self._speller.is_suspect(joined(run), known)

    def _support(self, context: np.ndarray | None, candidate: Candidate) -> float:
        """``context``: (n,) bool, products with the query's other words; None where there are none."""
        own = self._having_all(candidate.words)
        if context is None:
            return 0.0 if candidate.bold else float(own.sum())
        together = int((own & context).sum())
        if candidate.bold and together < _EVIDENCE * context.sum():
            return 0.0
        return together + _OF_ALL * float(own.sum())

    def _having_all(self, words: Sequence[str]) -> np.ndarray:
        having = np.ones(self.rows, np.bool_)
        for word in words:
            having &= self._form(word) > 0
        return having

    def _known(self, run: Run) -> bool:
        return any(self._codes(word) for word in (joined(run), *spoken(run)))

    def _codes(self, word: str) -> list[int]:
        stems = {stem(word, language) for language in self._index.languages}
        return sorted(self._ids[one] for one in stems if one in self._ids)

    def _form(self, word: str) -> np.ndarray:
        """(n,) scores of one word, by whichever of the shop's languages has it."""
        return self._highest([[code] for code in self._codes(word)])

    def _highest(self, alternatives: Sequence[list[int]]) -> np.ndarray:
        scores = np.zeros(self.rows, np.float32)
        for codes in alternatives:
            np.maximum(scores, self._index.bm25.get_scores(codes), out=scores)
        return scores

    def _scores(self, read: Sequence[Run]) -> tuple[np.ndarray, float]:
        """(n,) BM25 of words and whole values times the share of the words that a product has; the largest share."""
        total, matched = np.zeros(self.rows, np.float32), np.zeros(self.rows, np.float32)
        slots = [slot for run in read for slot in _slots(run)]
        for slot in slots:
            score = np.zeros(self.rows, np.float32)
            for word, share in slot.forms:
                np.maximum(score, share * self._form(word), out=score)
            total += score
            matched += score > 0
        matched /= max(1, len(slots))
        total *= matched
        for codes in self._whole_values(read):
            total += self._highest([[code] for code in codes]) * (total > 0)
        return total, float(matched.max(initial=0.0))

    def _whole_values(self, read: Sequence[Run]) -> list[list[int]]:
        """Values of the shop's columns that the query names in full, the longest first, no word in two of them."""
        for language in self._index.languages:
            stems = [phrase_of([run], language) for run in read]
            found, at = [], 0
            while at < len(stems):
                lengths = range(min(VALUE_WORDS, len(stems) - at), 0, -1)
                length = next((n for n in lengths if " ".join(stems[at : at + n]) in self._values), 0)
                if length:
                    found.append(self._values[" ".join(stems[at : at + length])])
                at += length or 1
            if found:
                return found
        return []


def _slots(run: Run) -> list[_Slot]:
    """A slot for each word by which a run can be found; its joined form counts for all of them together."""
    parts = spoken(run)
    if not parts:
        return [_Slot(((joined(run), 1.0),))]
    return [_Slot(((part, 1.0), (joined(run), 1 / len(parts)))) for part in parts]
