"""Text becomes words: one spelling of each, numbers with their units, compounds however they are written, stems."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import Stemmer
from bm25s import stopwords

_NUMBER = r"\d+(?:[.,]\d+)+"
_PART = re.compile(rf"{_NUMBER}(?:[^\W\d_]+)?|[^\W_]+")
_RUN = re.compile(rf"(?:{_PART.pattern})(?:[-‐‑&+'’](?:{_PART.pattern}))*")  # one word, or several that are linked
_POSSESSIVE = re.compile(r"['’]s(?![^\W_])")
_UNITS = "ml|cl|l|g|kg|mg|oz|lb|lbs|mm|cm|m|km|ft|in|inch|inches|w|kw|v|mah|gb|tb|mb|hz|mhz|ghz|mp|k|ct|pcs|px"
_MEASURE = re.compile(rf"({_NUMBER}|\d+)({_UNITS})?")
_UNIT = re.compile(_UNITS)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")  # scripts that put no space between words
_ACCENTS = re.compile(r"[\u0300-\u036f]")
#: Snowball's algorithm for a language tag. What is missing here is not stemmed.
_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip


class Run(NamedTuple):
    """Words that are written as one ("t-shirt"), and where they stand in the normalised text."""

    parts: tuple[str, ...]
    start: int
    end: int


def normalise(text: str) -> str:
    """``text`` in lower case, with one form of each character and no possessive 's. Doing it twice changes nothing."""
    text = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).casefold())
    return text if text.isascii() else " ".join(_UNSPACED.sub(r" \g<0> ", text).split())


@lru_cache(maxsize=65_536)  # most cells of a shop, titles apart, have come before
def runs(text: str) -> tuple[Run, ...]:
    """Words of a text, in order; places are those in the normalised text.

    A number and its unit are linked, with a space between them or without.
    """
    return _linked(_written(normalise(text)), _is_measure)


def compounds(found: Iterable[Run], is_word: Callable[[str], bool]) -> tuple[Run, ...]:
    """The same, with neighbours linked that this shop also writes as one word: "t shirt" where there is a "tshirt"."""
    return _linked(found, lambda one, other: is_word(one + other))


def spoken(run: Run) -> tuple[str, ...]:
    """The words by which a run is found beside its joined form: "hand", "bag", but neither "t" and "shirt" nor "ml"."""
    if len(run.parts) == 1:
        return ()
    if _is_number(run.parts[0]):
        return tuple(part for part in run.parts if not _UNIT.fullmatch(part))
    return () if any(len(part) == 1 for part in run.parts) else run.parts


def joined(run: Run) -> str:
    """A run as one word: "tshirt", "500ml"."""
    return "".join(run.parts)


def algorithm_of(language: str) -> str:
    """Snowball's algorithm for a BCP 47 tag, "" where it has none."""
    return _ALGORITHMS.get(language.partition("-")[0].casefold(), "")


@cache
def stopwords_of(algorithm: str) -> frozenset[str]:
    """Words of a language that say nothing of a product: "for", "und". Empty where no list is known."""
    name = "EN" if algorithm == "english" else algorithm.upper()
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}", ()))


@lru_cache(maxsize=262_144)
def stem(word: str, algorithm: str) -> str:
    """The stem of a word, without Latin accents. "" leaves the ending; so does a digit: "501s" is no plural.

    A stemmer for each call: one may not be shared by threads, and a new one takes a microsecond.
    """
    if algorithm and word.isalpha():
        word = Stemmer.Stemmer(algorithm, 0).stemWord(word)
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", word)))


def _linked(found: Iterable[Run], together: Callable[[str, str], bool]) -> tuple[Run, ...]:
    linked: list[Run] = []
    for run in found:
        before = linked[-1] if linked else None
        if before and len(before.parts) == len(run.parts) == 1 and together(before.parts[0], run.parts[0]):
            linked[-1] = Run((*before.parts, *run.parts), before.start, run.end)
        else:
            linked.append(run)
    return tuple(linked)


def _written(text: str) -> Iterator[Run]:
    for found in _RUN.finditer(text):
        word, (start, end) = found[0], found.span()
        if not word.isascii() and _UNSPACED.fullmatch(word):
            yield from (Run((word[at : at + 2],), start + at, start + at + 2) for at in range(max(1, len(word) - 1)))
        else:
            yield Run(tuple(_parts(word)), start, end)


def _parts(text: str) -> Iterator[str]:
    for part in _PART.findall(text):
        measure = _MEASURE.fullmatch(part)
        if measure:
            yield measure[1].replace(",", ".")
            if measure[2]:
                yield measure[2]
        else:
            yield part


def _is_measure(number: str, unit: str) -> bool:
    return _is_number(number) and _UNIT.fullmatch(unit) is not None


def _is_number(word: str) -> bool:
    return word.replace(".", "").isdecimal()
