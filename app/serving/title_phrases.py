"""Words that stand together in many titles: how the shop itself says what it has."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.lexical.words import normalise, stem

_LONGEST = 4  # words


class Phrase(NamedTuple):
    """A phrase as the shop most often spells its words, and the titles that have it. ``closed``: in no longer one."""

    text: str
    titles: int
    closed: bool


class _Words(NamedTuple):
    """Every word of every title, one after another: (m,) title, code of its folded form, and whether the next follows.

    Code 0 is no word. folded, written: by code.
    """

    titles: np.ndarray
    codes: np.ndarray
    followed: np.ndarray
    folded: list[str]
    written: list[str]


class _Grams(NamedTuple):
    """Sequences of one length: (m,) which starts at each word, -1 for none, and of each its first place and titles."""

    at: np.ndarray
    first: np.ndarray
    titles: np.ndarray


def fold(word: str) -> str:
    """A word in the form that is equal for all cases and accents."""
    plain = normalise(word)
    return plain if plain.isascii() else stem(plain, "")


def count_phrases(titles: pa.Array, least: int) -> dict[str, Phrase]:
    """Sequences of one to four words that at least ``least`` titles have, by their folded words."""
    words = _words(titles)
    found: dict[str, Phrase] = {}
    for length, (grams, longer) in enumerate(_lengths(words, least), 1):
        contained = _contained(grams, longer)
        for first, count, inside in zip(grams.first.tolist(), grams.titles.tolist(), contained.tolist(), strict=True):
            codes = words.codes[first : first + length].tolist()
            text = " ".join(words.written[code] for code in codes)
            found[" ".join(words.folded[code] for code in codes)] = Phrase(text, count, not inside)
    return found


def _lengths(words: _Words, least: int) -> Iterator[tuple[_Grams, _Grams | None]]:
    """Grams of each length, and those one word longer. A gram can only be frequent if both its ends are."""
    single = _frequent(words, np.where(words.codes > 0, words.codes, -1), least)
    grams = single
    for length in range(1, _LONGEST + 1):
        longer = None
        if length < _LONGEST and len(words.codes) > length:
            ends = len(words.codes) - length
            before, after = grams.at[:ends], single.at[length:]
            together = (before >= 0) & (after >= 0) & words.followed[length - 1 : length - 1 + ends]
            keys = np.full(len(words.codes), -1, np.int64)
            keys[:ends] = np.where(together, before * np.int64(len(words.folded)) + words.codes[length:], -1)
            longer = _frequent(words, keys, least)
        yield grams, longer
        if longer is None or not len(longer.first):
            return
        grams = longer


def _frequent(words: _Words, keys: np.ndarray, least: int) -> _Grams:
    """Number the grams that enough titles have. keys: (m,) int64, one for each gram, -1 for none."""
    places = np.flatnonzero(keys >= 0)
    _, first, number = np.unique(keys[places], return_index=True, return_inverse=True)
    rows = int(words.titles[-1]) + 1 if len(places) else 1
    said = np.sort(number.astype(np.int64) * rows + words.titles[places])
    once = said[np.diff(said, prepend=-1) > 0]  # a title may say it twice; np.unique takes ten times as long
    titles = np.bincount(once // rows, minlength=len(first))
    kept = titles >= least
    renumbered = np.where(kept, np.cumsum(kept) - 1, -1)
    at = np.full(len(keys), -1, np.int64)
    at[places] = renumbered[number]
    return _Grams(at, places[first[kept]], titles[kept])


def _contained(grams: _Grams, longer: _Grams | None) -> np.ndarray:
    """(grams,) bool: those that every title continues, or begins, with one and the same word."""
    contained = np.zeros(len(grams.first), np.bool_)
    if longer is not None:
        for parent in (grams.at[longer.first], grams.at[longer.first + 1]):
            inside = parent >= 0
            contained[parent[inside & (longer.titles == grams.titles[parent])]] = True
    return contained


def _words(titles: pa.Array) -> _Words:
    split = pc.utf8_split_whitespace(titles)
    encoded = split.flatten().dictionary_encode()
    raw, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
    said = np.bincount(codes, minlength=len(raw))
    bare = [_bare(word) for word in raw]
    numbers: dict[str, int] = {"": 0}
    written, most = [""], [0]
    of_raw = np.zeros(len(raw), np.int64)
    for at, word in enumerate(bare):
        of_raw[at] = code = numbers.setdefault(fold(word), len(numbers))
        if code == len(written):
            written.append(word)
            most.append(0)
        if said[at] > most[code]:
            written[code], most[code] = word, said[at]
    opens = np.array([not word.startswith(one) for word, one in zip(raw, bare, strict=True)], np.bool_)[codes]
    closes = np.array([not word.endswith(one) for word, one in zip(raw, bare, strict=True)], np.bool_)[codes]
    rows = np.repeat(np.arange(len(titles)), pc.list_value_length(split).to_numpy(zero_copy_only=False))
    followed = np.zeros(len(codes), np.bool_)
    followed[:-1] = (rows[1:] == rows[:-1]) & ~closes[:-1] & ~opens[1:]
    return _Words(rows, of_raw[codes], followed, list(numbers), written)


def _bare(word: str) -> str:
    """Without the marks around it; "" where it is nothing else."""
    kept = [at for at, letter in enumerate(word) if letter.isalnum()]
    return word[kept[0] : kept[-1] + 1] if kept else ""
