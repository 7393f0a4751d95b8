"""An image and words together: how often the answer has the image's kind and the words' colour.

STORE_URI=... python -m benchmarks.mixed_queries                # over the live release: a minute
python -m benchmarks.mixed_queries --queries 50

Asks "like this product, but in <colour>" of products whose kind comes in that colour too, and "like this, without its
colour", at several weights: mixed as the product does, by the spread of each part's scores (tasks/retrieval/mixing.py),
and beside it the plain sum of weighted vectors that others take. Needs a catalogue with product_type and color.
Exits with 1 where, at equal weights and over both kinds of question, it finds less than the plain sum.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.snapshot import Snapshot
from app.settings import AppSettings
from tasks.retrieval.search import RowFilter
from tasks.store.artifacts.images import read_image
from tasks.store.objects.store import Store, open_store

TOP = 10
WEIGHTS = (0.25, 0.5, 1.0, 2.0)
Mix = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MixedQuery:
    """A product, the words beside it (minus where ``sign`` is below zero), and which rows are right answers."""

    row: int
    words: str
    sign: int
    right: np.ndarray


def draw_queries(snapshot: Snapshot, wanted: int) -> Iterator[MixedQuery]:
    """Two queries for each random product of a kind with several colours: in another colour, without its own."""
    kinds, colors = (snapshot.row_filters.columns.text[name] for name in ("product_type", "color"))
    found: dict[int, set[int]] = defaultdict(set)
    for kind, color in zip(kinds.codes.tolist(), colors.codes.tolist(), strict=True):
        found[kind].add(color)
    rng = np.random.default_rng(0)
    for row in rng.permutation(snapshot.items.rows)[:wanted]:
        kind, color = int(kinds.codes[row]), int(colors.codes[row])
        others = sorted(other for other in found[kind] if other != color and colors.values[other])
        if not others or not colors.values[color]:
            continue
        other = int(rng.choice(others))
        same_kind = kinds.codes == kind
        yield MixedQuery(int(row), colors.values[other], 1, same_kind & (colors.codes == other))
        yield MixedQuery(int(row), colors.values[color], -1, same_kind & (colors.codes != color))


def plain_sum(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(1, d): the weighted vectors added as they are."""
    total = weights @ vectors
    return (total / np.linalg.norm(total)).astype(np.float32)[None]


def precision(
    snapshot: Snapshot, queries: list[MixedQuery], images: np.ndarray, words: np.ndarray, mix: Mix, weight: float
) -> float:
    """Mean share of right products among the first ten (of as many as are right, where fewer are)."""
    shares = []
    for one, image, text in zip(queries, images, words, strict=True):
        query = mix(np.stack([image, text]), np.array([1.0, one.sign * weight]))
        allowed = np.ones(snapshot.items.rows, np.bool_)
        allowed[one.row] = False
        _, rows = snapshot.searcher.search(query, TOP, RowFilter(allowed))
        right = int(one.right.sum())
        shares.append(one.right[rows[0]].sum() / min(TOP, right) if right else 0.0)
    return float(np.mean(shares))


def measure(store: Store, wanted: int) -> bool:
    """Print the table; whether equal weights find at least what the plain sum finds."""
    settings = AppSettings()
    live = Live(store, settings, LastKnownGood(store.settings.store_cache, settings.channel))
    live.check()
    with live.acquire() as snapshot:
        queries = list(draw_queries(snapshot, wanted))
        hashes = [snapshot.items.product(one.row).image_sha256 for one in queries]
        vectors = snapshot.encoder.encode_images([read_image(store, sha256) for sha256 in hashes])
        words = snapshot.encoder.encode_texts([one.words for one in queries])
        print(f"{len(queries)} questions of release {snapshot.label}, precision at {TOP}; chance is about 0.02")
        print(f"{'':30}" + "".join(f"{f'weight {weight:g}':>14}" for weight in WEIGHTS))
        best: dict[tuple[int, str], list[float]] = {}
        for sign, name in ((1, "but in another colour"), (-1, "without its colour")):
            chosen = [at for at, one in enumerate(queries) if one.sign == sign]
            for how, mix in (("mixed", snapshot.index.normaliser.mix), ("plain", plain_sum)):
                part = [queries[at] for at in chosen]
                shares = [precision(snapshot, part, vectors[chosen], words[chosen], mix, weight) for weight in WEIGHTS]
                best[sign, how] = shares
                print(f"{how}, {name}".ljust(30) + "".join(f"{share:14.3f}" for share in shares))
    mixed, plain = (sum(best[sign, how][WEIGHTS.index(1.0)] for sign in (1, -1)) / 2 for how in ("mixed", "plain"))
    print(f"equal weights, both kinds: mixed {mixed:.3f}, plain {plain:.3f}")
    return mixed >= plain


def main() -> int:
    """Measure over the store that the environment names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=400, help="products that are drawn")
    arguments = parser.parse_args()
    good = measure(open_store(), arguments.queries)
    print("verdict:", "mixed finds at least what the plain sum finds" if good else "MISSED: the plain sum finds more")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
