"""The word index of a catalogue: built from its items, stored as plain files, opened memory-mapped.

Row i of the index is row i of the items. A field's weight is how often its words count, which is BM25 over weighted
fields (Robertson, Zaragoza and Taylor 2004).
"""

import hashlib
import json
import logging
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.lexical.config import LexicalConfig
from tasks.lexical.documents import Vocabulary, count_words, languages_of, rows_of, tokens_of
from tasks.lexical.words import algorithm_of
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG

_WORDS, _NAMES, _ABOUT = "words.parquet", "names.npy", "lexical.json"
_NAME = np.dtype([("name", "<u8"), ("row", "<i8")])
_FORMAT = 1


@dataclass(frozen=True)
class LexicalIndex:
    """An index in memory or memory-mapped. Never changes: searches may run in any number of threads."""

    bm25: bm25s.BM25
    vocabulary: Vocabulary
    names: np.ndarray  # (m,) of name's hash and row, sorted
    languages: tuple[str, ...]  # Snowball's algorithms, the most common first
    rows: int

    def rows_named(self, text: str) -> np.ndarray:
        """Rows whose id, SKU or GTIN is ``text``, whatever its case and separators: (k,) int64, rising."""
        key = _name_key(text)
        first, last = (int(np.searchsorted(self.names["name"], key, side)) for side in ("left", "right"))
        return np.asarray(self.names["row"][first:last])


def index_words(items: pa.Table, config: LexicalConfig) -> LexicalIndex:
    """Index a table of ITEMS. The same items and config give the same bytes. Raises ConfigError without any word."""
    vocabulary, languages = count_words(items, config), languages_of(items)
    ids: dict[str, int] = defaultdict(lambda: len(ids))
    documents, names = [], []
    for row, (language, fields, called) in enumerate(rows_of(items, config)):
        tokens = tokens_of(
            fields, algorithm_of(language) if language else languages[0], vocabulary, config.value_weight
        )
        documents.append([ids[token] for token in tokens])
        names += [(_name_key(name), row) for name in called]
    if not ids:
        raise ConfigError(f"no word in {items.num_rows} products: give at least one field that is filled a weight")
    bm25 = bm25s.BM25(k1=config.k1, b=config.b)
    bm25.index((documents, dict(ids)), create_empty_token=False, show_progress=False)
    return LexicalIndex(bm25, vocabulary, np.sort(np.array(names, _NAME)), tuple(languages), items.num_rows)


def save_words(index: LexicalIndex, folder: Path) -> None:
    """Write the index as files of ``folder``: arrays, JSON and Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    index.bm25.save(str(folder), show_progress=False)
    np.save(folder / _NAMES, index.names, allow_pickle=False)
    words = sorted(index.vocabulary.rows.items())
    table = pa.table({"word": [word for word, _ in words], "rows": pa.array([rows for _, rows in words], pa.int64())})
    pq.write_table(table, folder / _WORDS)
    about = {"format": _FORMAT, "languages": index.languages, "rows": index.rows}
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def open_words(folder: Path) -> LexicalIndex:
    """Open what `save_words` wrote. Postings are read from disk when they are first searched.

    Raises ArtifactMissing, and ArtifactCorrupt where a file is not what it should be. A flipped byte opens without an
    error: compare sha256 with the manifest first.
    """
    if not (folder / _ABOUT).is_file():
        raise ArtifactMissing(f"no word index at {folder}: fetch the artifact first")
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']}, expected {_FORMAT}")
        bm25 = bm25s.BM25.load(str(folder), mmap=True)
        names = np.load(folder / _NAMES, mmap_mode="r", allow_pickle=False)
        words = pq.read_table(folder / _WORDS)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0][:200]
        raise ArtifactCorrupt(f"{folder} is no word index ({reason}): fetch it again, or build it again") from error
    vocabulary = Vocabulary()
    vocabulary.rows.update(dict(zip(words["word"].to_pylist(), words["rows"].to_pylist(), strict=True)))
    return LexicalIndex(bm25, vocabulary, names, tuple(about["languages"]), int(about["rows"]))


def _name_key(name: str) -> int:
    plain = "".join(filter(str.isalnum, name.casefold()))
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
