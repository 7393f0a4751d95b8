"""Suggestions while one types: what each key costs, whether the name comes, and what a release pays to have them.

python -m benchmarks.type_ahead                          # a made-up shop of 40 000 products: a minute
python -m benchmarks.type_ahead --items items.parquet    # any catalogue's items

Names of the shop, drawn at random, are typed letter by letter, as they are and with one typo, and after each key eight
suggestions are asked for. The words of the made-up titles are as frequent as those of a language (Zipf), so that there
are thousands of names. Timed in one process, without HTTP. Exits with 1 where the 95th percentile takes too long, or
where names that are typed without a typo do not come.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.serving.columns import Columns
from app.serving.items import Items
from app.serving.suggestions import Suggestions
from benchmarks.harness.memory import status_mb
from benchmarks.harness.synthetic import COLORS, TYPES, listing
from benchmarks.harness.verdict import verdict
from benchmarks.search_relevance import mistype
from tasks.schema.tables import ITEMS

SHOWN = 8
P95_MS, LEAST_FOUND = 10.0, 0.95
_TITLE_WORDS, _VOCABULARY, _ZIPF = 6, 20_000, 1.0
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def made_up(items: int, path: Path) -> Path:
    """Write ``items.parquet`` of a made-up shop with titles of many words."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(_SYLLABLES, rng.integers(2, 5))) for _ in range(_VOCABULARY)]
    shares = 1 / np.arange(1, _VOCABULARY + 1) ** _ZIPF
    drawn = rng.choice(_VOCABULARY, (items, _TITLE_WORDS), p=shares / shares.sum())
    texts = {column: "" for column in ITEMS.names if pa.types.is_string(ITEMS.field(column).type)}
    shop = {"captions": {}, "attributes": {}, "image_width": 48, "image_height": 48}
    rows = []
    for number, said in enumerate(drawn.tolist()):
        listed = listing(number)
        own = {"item_id": listed["id"], "title": " ".join([listed["brand"], *(words[one] for one in said)])}
        color, kind = COLORS[number * 7 % len(COLORS)], f"{TYPES[number % len(TYPES)]} {words[number % 200]}"
        kinds = {"color": color, "product_type": kind, "brand": listed["brand"], "category": listed["category"]}
        rows.append(texts | shop | own | kinds)
    pq.write_table(pa.Table.from_pylist(rows, schema=ITEMS), path)
    return path


def type_in(suggestions: Suggestions, texts: Sequence[str], typed: Sequence[str]) -> tuple[np.ndarray, float]:
    """Milliseconds of every key, and the share of ``texts`` that came before or when all was ``typed``."""
    spent, came = [], 0
    for text, keys in zip(texts, typed, strict=True):
        shown: set[str] = set()
        for length in range(1, len(keys) + 1):
            started = time.perf_counter()
            found = suggestions.find(keys[:length], SHOWN)
            spent.append((time.perf_counter() - started) * 1e3)
            shown.update(name.text for name, _ in found)
        came += text in shown
    return np.array(spent), came / len(texts)


def measure(path: Path, wanted: int) -> bool:
    """Build, type and print; whether the bars are met."""
    columns, items = Columns.open(path), Items.open(path)
    before, started = status_mb("VmRSS"), time.perf_counter()
    suggestions = Suggestions.open(path, columns)
    seconds, held = time.perf_counter() - started, status_mb("VmRSS") - before
    print(f"{items.rows} products: {len(suggestions.names)} names in {seconds:.2f} s, {held:.0f} MB")
    ids = pq.read_table(path, columns=["item_id"])["item_id"].slice(0, 100).to_pylist()
    fewer, started = items.without(dict.fromkeys(ids, datetime.now(UTC))), time.perf_counter()
    suggestions.shown(fewer, columns)
    print(f"{len(ids)} products taken down: counted again in {(time.perf_counter() - started) * 1e3:.0f} ms")
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(suggestions.names))[:wanted]
    texts = [suggestions.names[number].text for number in drawn.tolist()]
    bars = {}
    for name, typed in (("as it is", texts), ("with one typo", [mistype(text, rng) for text in texts])):
        spent, came = type_in(suggestions, texts, typed)
        p50, p95, worst = np.percentile(spent, [50, 95, 100])
        took = f"p50 {p50:.2f} ms, p95 {p95:.2f} ms, worst {worst:.2f} ms"
        print(f"typed {name}: {len(spent)} keys, {took}; {came:.1%} of the names came")
        bars[f"p95 of a key, typed {name}, is below {P95_MS:g} ms"] = bool(p95 < P95_MS)
        if typed is texts:
            bars[f"{LEAST_FOUND:.0%} of the names come while they are typed"] = came >= LEAST_FOUND
    return verdict(bars)


def main() -> int:
    """Measure a table of items, or a made-up shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, help="items.parquet of a catalogue, instead of a made-up one")
    parser.add_argument("--products", type=int, default=40_000, help="of the made-up shop")
    parser.add_argument("--names", type=int, default=300, help="how many names are typed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.items or made_up(arguments.products, Path(scratch) / "items.parquet")
        return 0 if measure(path, arguments.names) else 1


if __name__ == "__main__":
    raise SystemExit(main())
