"""The text of each product as words and whole values, the way it is indexed and the way a query is read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from tasks.lexical.config import LexicalConfig
from tasks.lexical.words import Run, algorithm_of, compounds, joined, runs, spoken, stem, stopwords_of

VALUE = "="  # between a field's name and its whole value; no word holds it
_TEXT_FIELDS = ("title", "brand", "category", "product_type", "color", "material", "pattern")
_ATTRIBUTE_WORDS = 8  # a longer value is a text about something else: care, shipping
VALUE_WORDS = 4  # of a field's whole value; a longer one is a text
_LEAST_ROWS = 2  # a joined form that one product has may be its title's own typo
#: Attributes that name a product: they are matched whole, and are no words.
_IDENTIFIERS = """
sku gtin gtin8 gtin12 gtin13 gtin14 ean ean8 ean13 upc isbn mpn asin barcode modelnumber itemnumber partnumber stylecode
articlenumber artikelnummer
"""
IDENTIFIERS = frozenset(_IDENTIFIERS.split())

#: Fields of one product that are not empty: name, text, weight.
Fields = list[tuple[str, str, int]]


@dataclass
class Vocabulary:
    """Words as the shop writes them, and how many products have each."""

    rows: Counter[str] = field(default_factory=Counter)

    def is_word(self, word: str) -> bool:
        """Whether the shop writes ``word``, on more than one product."""
        return self.rows[word] >= _LEAST_ROWS

    def read(self, text: str) -> tuple[Run, ...]:
        """Words of a text, those linked that the shop also writes as one."""
        return compounds(runs(text), self.is_word)


def languages_of(items: pa.Table) -> list[str]:
    """Snowball's algorithms for the shop's languages, the most common first; English where none is known."""
    counted = Counter(algorithm_of(language) for language in items["language"].to_pylist())
    return [name for name, _ in counted.most_common() if name] or ["english"]


#: Columns of ITEMS that are read.
COLUMNS = ("item_id", "language", "attributes", *_TEXT_FIELDS)


def rows_of(items: pa.Table, config: LexicalConfig) -> Iterator[tuple[str, Fields, list[str]]]:
    """Of each product: its language's tag, the fields to index, and what it is called by exactly."""
    weights = config.weights.model_dump()
    for batch in items.select(COLUMNS).to_batches(10_000):
        for row in batch.to_pylist():
            fields = [(name, row[name], weights[name]) for name in _TEXT_FIELDS if row[name] and weights[name]]
            names = [row["item_id"]]
            for key, text in row["attributes"]:
                if "".join(filter(str.isalnum, key)).casefold() in IDENTIFIERS:
                    names.append(text)
                elif weights["attributes"] and "://" not in text and len(text.split()) <= _ATTRIBUTE_WORDS:
                    fields.append((key, text, weights["attributes"]))
            yield row["language"], fields, names


def count_words(items: pa.Table, config: LexicalConfig) -> Vocabulary:
    """The shop's vocabulary. A linked word counts as one and as its parts."""
    vocabulary = Vocabulary()
    for _, fields, _ in rows_of(items, config):
        said: set[str] = set()
        for _, text, _ in fields:
            for run in runs(text):
                said.update((joined(run), *spoken(run)))
        vocabulary.rows.update(said)
    return vocabulary


def tokens_of(fields: Fields, algorithm: str, vocabulary: Vocabulary, value_weight: int) -> list[str]:
    """Tokens of one product, each as often as it counts: stems, and ``field=whole value``."""
    tokens: list[str] = []
    for name, text, weight in fields:
        for part in values_of(name, text):
            read = vocabulary.read(part)
            stems = [stem(word, algorithm) for run in read for word in (joined(run), *spoken(run))]
            tokens += stems * weight
            phrase = phrase_of(read, algorithm) if name != "title" and len(read) <= VALUE_WORDS else ""
            if phrase:
                tokens += [f"{name}{VALUE}{phrase}"] * value_weight
    return tokens


def values_of(name: str, text: str) -> list[str]:
    """The values in a cell: levels of a category's path, several materials."""
    if name == "title":
        return [text]
    return text.split("/" if name == "category" else ",")


def phrase_of(read: Sequence[Run], algorithm: str) -> str:
    """Words in one form that is equal for all spellings: "casual shoe", "tshirt". Words like "and" are left out."""
    unsaid = stopwords_of(algorithm)
    return " ".join(stem(word, algorithm) for word in map(joined, read) if word not in unsaid)
