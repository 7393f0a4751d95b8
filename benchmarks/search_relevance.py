"""Queries as shoppers type them: how many of the first ten answers are right, by words, by images, by both.

STORE_URI=... python -m benchmarks.search_relevance              # over the live release: a minute
python -m benchmarks.search_relevance --items items.parquet      # words alone, of any catalogue's items

Queries are made of the shop's own columns ("puma cap", "men blue tshirt"), some with one typo; a product is right if
its columns say all that was asked for. Where there is no brand column, a brand is what stands before "men", "women" and
the like in ten titles or more. The columns that tell what is right are searched too, so "words, titles" beside it is an
index of titles alone. Precision is of the ten, or of as many as are right where fewer are; intervals resample types.
Exits with 1 where a typo costs the words more than 15 % of a class, or a search by words takes too long.
"""

import argparse
import string
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.query.channels import find
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.snapshot import Snapshot
from app.settings import AppSettings
from benchmarks.harness.verdict import verdict
from tasks.lexical.config import FieldWeights, LexicalConfig
from tasks.lexical.index import index_words, save_words
from tasks.lexical.search import LexicalSearcher
from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.fusion import reciprocal_rank_fusion
from tasks.retrieval.significance import intervals
from tasks.store.objects.store import open_store

TOP = 10
DEPTH = 100  # of each channel, for fusion
LEAST_RIGHT = 3
LEAST_TITLES = 10
KEPT_WITH_TYPO = 0.85
P95_MS = 10.0
CLASSES = {
    "type": ("product_type",),
    "colour type": ("color", "product_type"),
    "gender colour type": ("gender", "color", "product_type"),
    "brand type": ("brand", "product_type"),
    "brand colour type": ("brand", "color", "product_type"),
}
WITH_TYPO = ("colour type", "brand type")
TITLES = LexicalConfig(
    weights=FieldWeights(brand=0, category=0, product_type=0, color=0, material=0, pattern=0, attributes=0),
    value_weight=0,
)
#: Queries to the best rows of each.
Channel = Callable[[Sequence[str]], list[np.ndarray]]


@dataclass(frozen=True)
class Query:
    """What is typed, the rows that are right, and the type it is about."""

    text: str
    right: np.ndarray
    cluster: str


def columns_of(items: pa.Table) -> dict[str, np.ndarray]:
    """(n,) str in lower case of each column that queries are made of; "" where a product has none."""
    columns = {name: items[name].to_pylist() for name in ("product_type", "color", "brand")}
    attributes = [{key.casefold(): value for key, value in row} for row in items["attributes"].to_pylist()]
    columns["gender"] = [row.get("gender", "") for row in attributes]
    if not any(columns["brand"]):
        columns["brand"] = brands_of(items["title"].to_pylist(), set(columns["gender"]) - {""})
    return {name: np.array([value.casefold() for value in values], object) for name, values in columns.items()}


def brands_of(titles: Sequence[str], genders: set[str]) -> list[str]:
    """The longest brand each title begins with: words that stand before a gender in at least ten titles."""
    marks = {gender.casefold() for gender in genders}
    split = [title.casefold().split() for title in titles]
    firsts: Counter[str] = Counter()
    for words in split:
        at = next((at for at, word in enumerate(words) if word.removesuffix("'s") in marks), 0)
        firsts[" ".join(words[:at])] += 0 < at <= 4
    known = {brand for brand, count in firsts.items() if brand and count >= LEAST_TITLES}
    starts = [[" ".join(words[:length]) for length in range(4, 0, -1)] for words in split]
    return [next((start for start in lengths if start in known), "") for lengths in starts]


def draw_queries(columns: Mapping[str, np.ndarray], wanted: int) -> dict[str, list[Query]]:
    """Up to ``wanted`` distinct queries of each class the shop has columns for, and some of them with a typo."""
    rng = np.random.default_rng(0)
    drawn: dict[str, list[Query]] = {}
    for name, parts in CLASSES.items():
        keys = list(zip(*(columns[part] for part in parts), strict=True))
        rows: dict[tuple[str, ...], list[int]] = {}
        for row, key in enumerate(keys):
            if all(key):
                rows.setdefault(key, []).append(row)
        able = sorted(key for key, found in rows.items() if len(found) >= LEAST_RIGHT)
        chosen = [able[at] for at in rng.permutation(len(able))[:wanted]]
        drawn[name] = [Query(" ".join(key), np.array(rows[key]), key[-1]) for key in chosen]
    for name in WITH_TYPO:
        drawn[f"{name}, one typo"] = [Query(mistype(one.text, rng), one.right, one.cluster) for one in drawn[name]]
    return {name: queries for name, queries in drawn.items() if queries}


def mistype(text: str, rng: np.random.Generator) -> str:
    """``text`` with one letter of a word of four or more doubled, left out, replaced, or swapped with the next."""
    words = text.split()
    able = [at for at, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not able:
        return text
    at = int(rng.choice(able))
    word, letter = words[at], str(rng.choice(list(string.ascii_lowercase)))
    place = int(rng.integers(0, len(word) - 1))
    before, here, after = word[:place], word[place], word[place + 1 :]
    edits = [
        before + here + here + after,
        before + after,
        before + letter + after,
        before + after[0] + here + after[1:],
    ]
    words[at] = edits[int(rng.integers(0, len(edits)))]
    return " ".join(words)


def by_words(items: pa.Table, config: LexicalConfig, folder: Path) -> LexicalSearcher:
    """An index of the items, built, stored and opened; its cost is printed."""
    started = time.perf_counter()
    save_words(index_words(items, config), folder)
    seconds, size = time.perf_counter() - started, sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder.name}: {items.num_rows} products in {seconds:.1f} s, {size / 1e6:.1f} MB")
    return LexicalSearcher.open(folder)


def by_images(snapshot: Snapshot) -> Channel:
    """The release's own search: the query's vector against the images'."""

    def search(texts: Sequence[str]) -> list[np.ndarray]:
        _, rows = snapshot.searcher.search(snapshot.encoder.encode_texts(list(texts)), DEPTH)
        return [found[found >= 0] for found in rows]

    return search


def by_ranks(words: LexicalSearcher, images: Channel) -> Channel:
    """Plain reciprocal rank fusion; images are asked for the query with its typos mended."""

    def search(texts: Sequence[str]) -> list[np.ndarray]:
        matches = [words.match(text) for text in texts]
        seen = images([match.corrected or text for match, text in zip(matches, texts, strict=True)])
        return [
            reciprocal_rank_fusion([match.best(DEPTH)[1], rows])[1] for match, rows in zip(matches, seen, strict=True)
        ]

    return search


def by_both(snapshot: Snapshot, words: LexicalSearcher) -> Channel:
    """The app's own ``mode: hybrid``."""

    def search(texts: Sequence[str]) -> list[np.ndarray]:
        matches = [words.match(text) for text in texts]
        said = [match.corrected or text for match, text in zip(matches, texts, strict=True)]
        vectors = snapshot.encoder.encode_texts(said)
        everything = snapshot.row_filters.matching(None)
        return [find(snapshot, vectors[at : at + 1], match, everything, DEPTH)[1] for at, match in enumerate(matches)]

    return search


def precision(queries: Sequence[Query], channel: Channel) -> np.ndarray:
    """(q,): the share of right rows among the first ten."""
    answers = channel([query.text for query in queries])
    hits = [np.isin(rows[:TOP], query.right).sum() for rows, query in zip(answers, queries, strict=True)]
    return np.array([found / min(TOP, len(query.right)) for found, query in zip(hits, queries, strict=True)])


def measure(items: pa.Table, wanted: int, snapshot: Snapshot | None = None) -> bool:
    """Print the table of classes by channels; whether the bars are met."""
    drawn = draw_queries(columns_of(items), wanted)
    with tempfile.TemporaryDirectory() as scratch:
        words = by_words(items, LexicalConfig(), Path(scratch) / "words")
        titles = by_words(items, TITLES, Path(scratch) / "words, titles")
        channels: dict[str, Channel] = {
            "words": lambda texts: [words.match(text).best(DEPTH)[1] for text in texts],
            "words, titles": lambda texts: [titles.match(text).best(DEPTH)[1] for text in texts],
        }
        if snapshot is not None:
            channels["images"] = by_images(snapshot)
            channels["fused by ranks"] = by_ranks(words, channels["images"])
            channels["hybrid"] = by_both(snapshot, words)
        mean = table(drawn, channels)
        milliseconds = [clock(words, query.text) for queries in drawn.values() for query in queries]
    p50, p95 = np.percentile(milliseconds, [50, 95])
    print(f"a search by words: p50 {p50:.2f} ms, p95 {p95:.2f} ms")
    bars = {
        f"{name} keeps {KEPT_WITH_TYPO:.0%} with one typo": mean[f"{name}, one typo"] >= KEPT_WITH_TYPO * mean[name]
        for name in WITH_TYPO
        if name in mean
    }
    return verdict(bars | {f"p95 of a search by words is below {P95_MS:g} ms": bool(p95 < P95_MS)})


def table(drawn: Mapping[str, Sequence[Query]], channels: Mapping[str, Channel]) -> dict[str, float]:
    """Print precision at ten with its interval; the means of words, by class."""
    print(f"{f'precision at {TOP}':28}{'queries':>8}" + "".join(f"{name:>22}" for name in channels))
    mean = {}
    for name, queries in drawn.items():
        values = {channel: precision(queries, search) for channel, search in channels.items()}
        _, clusters = np.unique([query.cluster for query in queries], return_inverse=True)
        found = intervals(values, EvaluationConfig(), clusters)
        cells = [f"{one['value']:.3f} ({one['low']:.2f} to {one['high']:.2f})" for one in found.values()]
        print(f"{name:28}{len(queries):8}" + "".join(f"{cell:>22}" for cell in cells))
        mean[name] = found["words"]["value"]
    return mean


def clock(words: LexicalSearcher, text: str) -> float:
    """Milliseconds of one search."""
    started = time.perf_counter()
    words.match(text).best(DEPTH)
    return (time.perf_counter() - started) * 1e3


def main() -> int:
    """Measure a table of items, or the live release of the store that the environment names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, help="items.parquet of a catalogue, instead of a release")
    parser.add_argument("--queries", type=int, default=200, help="most queries of each class")
    arguments = parser.parse_args()
    if arguments.items:
        return 0 if measure(pq.read_table(arguments.items), arguments.queries) else 1
    settings, store = AppSettings(), open_store()
    live = Live(store, settings, LastKnownGood(store.settings.store_cache, settings.channel))
    live.check()
    with live.acquire() as snapshot:
        items = pq.read_table(snapshot.files.folders["index"] / "items.parquet")
        print(f"release {snapshot.label}")
        return 0 if measure(items, arguments.queries, snapshot) else 1


if __name__ == "__main__":
    raise SystemExit(main())
