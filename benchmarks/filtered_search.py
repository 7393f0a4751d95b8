"""Search under a filter: whether it finds what exact search among the allowed rows finds, and what it costs.

Made-up vectors with CLIP's modality gap, indexed with the defaults, saved, and opened as the app opens them. Filters
allow 0.1 to 90 % of the rows: drawn at random (a price, a colour), or whole categories, either any of them, those
around the query, those farthest from it, or the farthest and a few strays from everywhere. Queries are texts and
images of products that are not in the index. Beside the search of the product stands what users would otherwise do:
drop the rows that are not allowed from an unfiltered search for ten times as many, or hand FAISS the filter as it is.
Latency is the median of single queries on one thread, as a multiple of the unfiltered search of the same queries.

python -m benchmarks.filtered_search            100,000 products, about 3 minutes on 2 cores
python -m benchmarks.filtered_search --kind ivf_sq8 --items 300000
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, get_args

import faiss
import numpy as np

from benchmarks.harness.synthetic import clip_like
from tasks.retrieval.config import IndexConfig, IndexKind
from tasks.retrieval.index import build_index, save_index
from tasks.retrieval.search import RowFilter, Searcher

SHARES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.9)
FILTERS = ("random", "any category", "near", "far", "far + strays")
QUERIES = ("text", "picture")
WAYS = ("search", "drop after", "same nprobe")
TOP_K, BAR = 10, 0.95
_DROP_FROM = 10  # times as many are fetched before the rows that are not allowed are dropped
_RANKED_AGAIN = 10  # times as many by an index that looks twice, where FAISS searches it
_PER_CATEGORY, _HELD_OUT, _STRAYS = 500, 0.05, 0.03
_TIE = 1e-6  # rows that score alike up to rounding are all right answers

Way = Callable[[np.ndarray, np.ndarray, RowFilter], np.ndarray]


@dataclass(frozen=True)
class Shop:
    """Vectors of the products, category of each, and texts and images of further products with theirs."""

    vectors: np.ndarray
    categories: np.ndarray
    centers: np.ndarray
    texts: np.ndarray  # of the products themselves: what the index is tuned on
    queries: dict[str, np.ndarray]
    query_categories: np.ndarray


@dataclass(frozen=True)
class Line:
    """What one way of searching did under one kind of filter. ``slower``: times the latency without a filter."""

    share: float
    filter: str
    query: str
    way: str
    recall: float
    outside: int
    missing: int  # allowed rows that should have been returned and were not
    slower: float


def make_shop(items: int, dim: int, seed: int) -> Shop:
    """``items`` products, and a twentieth as many that are only queries."""
    images, texts = (clip_like(items + int(items * _HELD_OUT), dim, seed, side) for side in ("image", "text"))
    kmeans = faiss.Kmeans(dim, max(8, items // _PER_CATEGORY), niter=10, seed=seed + 99, spherical=True)
    kmeans.train(images[:items:2])
    centers = np.asarray(kmeans.centroids)
    _, categories = faiss.knn(images, centers, 1, metric=faiss.METRIC_INNER_PRODUCT)
    categories = categories[:, 0]
    queries = {"text": texts[items:], "picture": images[items:]}
    return Shop(images[:items], categories[:items], centers, texts[:items], queries, categories[items:])


def draw_filter(shop: Shop, kind: str, share: float, home: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool, ``share`` of the rows: whole categories, the last one cut. ``home``: category of the queries."""
    n, count = len(shop.vectors), len(shop.centers)
    allowed = np.zeros(n, bool)
    if kind == "random":
        allowed[rng.choice(n, int(share * n), replace=False)] = True
        return allowed
    order = rng.permutation(count) if kind == "any category" else np.argsort(-(shop.centers @ shop.centers[home]))
    order = order[::-1] if kind.startswith("far") else order
    rank = np.empty(count)
    rank[order] = np.arange(count)
    place = rank[shop.categories] + rng.random(n) / 2
    if kind == "far + strays":
        place[rng.choice(n, int(_STRAYS * share * n), replace=False)] = -1
    allowed[np.argsort(place)[: int(share * n)]] = True
    return allowed


def ways_of(searcher: Searcher, path: Path, nprobe: int) -> dict[str, Way]:
    """The product's search and the two that stand beside it; from one query (1, d) and its filter to rows (k,)."""
    plain = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)

    def probing(selector: Any) -> Any:
        cells = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)  # type: ignore[call-arg]
        if not isinstance(plain, faiss.IndexRefine):
            return cells
        return faiss.IndexRefineSearchParameters(k_factor=_RANKED_AGAIN, base_index_params=cells)  # type: ignore[call-arg]

    def drop_after(query: np.ndarray, allowed: np.ndarray, _: RowFilter) -> np.ndarray:
        rows = plain.search(query, TOP_K * _DROP_FROM, params=probing(None))[1][0]
        return rows[(rows >= 0) & allowed[rows]][:TOP_K]

    def same_nprobe(query: np.ndarray, _: np.ndarray, wanted: RowFilter) -> np.ndarray:
        return plain.search(query, TOP_K, params=probing(wanted.selector))[1][0]

    def search(query: np.ndarray, _: np.ndarray, wanted: RowFilter) -> np.ndarray:
        return searcher.search(query, TOP_K, wanted)[1][0]

    return dict(zip(WAYS, (search, drop_after, same_nprobe), strict=True))


def measure(shop: Shop, ways: dict[str, Way], homes: int, per_home: int) -> Iterator[list[Line]]:
    """Lines of every share, kind of filter and kind of query, those of all ways together."""
    rng = np.random.default_rng(5)
    occupied = np.unique(shop.query_categories)
    for share in SHARES:
        for kind in FILTERS:
            drawn = [int(one) for one in rng.choice(occupied, min(homes, len(occupied)), replace=False)]
            filters = [draw_filter(shop, kind, share, home, rng) for home in drawn]
            asking = [np.flatnonzero(shop.query_categories == home)[:per_home] for home in drawn]
            for query in QUERIES:
                trials = [(allowed, shop.queries[query][some]) for allowed, some in zip(filters, asking, strict=True)]
                yield _compare(shop, ways, trials, (share, kind, query))


def _compare(
    shop: Shop,
    ways: dict[str, Way],
    trials: list[tuple[np.ndarray, np.ndarray]],
    case: tuple[float, str, str],
) -> list[Line]:
    everything, unfiltered = RowFilter(np.ones(len(shop.vectors), bool)), list[float]()
    spent: dict[str, list[float]] = {way: [] for way in ways}
    totals = {way: np.zeros(4) for way in ways}  # right, wanted, outside, missing
    for allowed, queries in trials:
        wanted, rows = RowFilter(allowed), np.flatnonzero(allowed)
        width = min(TOP_K, len(rows))
        floors = np.sort(queries @ shop.vectors[rows].T, axis=1)[:, -width]
        for query, floor in zip(queries[:, None], floors, strict=True):
            unfiltered.append(_timed(partial(ways["search"], query, allowed, everything))[0])
            for way, ask in ways.items():
                seconds, found = _timed(partial(ask, query, allowed, wanted))
                spent[way].append(seconds)
                found = found[found >= 0]
                inside = found[allowed[found]]
                right = (shop.vectors[inside] @ query[0] >= floor - _TIE).sum()
                totals[way] += (right, width, len(found) - len(inside), width - len(np.unique(inside)))
    return [
        Line(*case, way, right / width, int(outside), int(missing), median(spent[way]) / median(unfiltered))
        for way, (right, width, outside, missing) in totals.items()
    ]


def _timed(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done


def report(lines: list[Line]) -> bool:
    """Print the verdict on the product's own search; True where it holds the bar in every line."""
    own = [line for line in lines if line.way == "search"]
    worst = min(own, key=lambda line: line.recall)
    outside, missing = sum(line.outside for line in own), sum(line.missing for line in own)
    held = bool(own) and worst.recall >= BAR and not outside and not missing
    slowest = max(own, key=lambda line: line.slower)
    print(f"\nlowest recall@{TOP_K}: {worst.recall:.3f} ({worst.share:g} {worst.filter}, {worst.query}); bar {BAR}")
    print(f"rows outside of the filter: {outside}; allowed rows that did not come: {missing}; bar 0")
    print(f"slowest: {slowest.slower:.1f} x unfiltered ({slowest.share:g} {slowest.filter}, {slowest.query})")
    for way in WAYS[1:]:
        short = [line for line in lines if line.way == way and line.recall < BAR]
        print(f"{way}: recall below {BAR} in {len(short)} of {len(own)} lines")
    print("HELD" if held else "MISSED")
    return held


def run(folder: Path, items: int, dim: int, kind: IndexKind, homes: int, per_home: int, seed: int = 0) -> list[Line]:
    """Build, save, open and ask; prints a table as it goes."""
    shop = make_shop(items, dim, seed)
    built = build_index(shop.vectors, shop.texts, IndexConfig(kind=kind))
    figures = built.figures
    print(
        f"{built.factory} {built.search_params} over {items} x {dim}: recall {figures['recall']} on texts, unfiltered"
    )
    path = save_index(built, folder / "index.faiss")
    searcher = Searcher.open(path, built.search_params)
    print(f"\n{'recall, x unfiltered latency':34}" + "".join(f"{way:>18}" for way in WAYS))
    lines: list[Line] = []
    faiss.omp_set_num_threads(1)
    ways = ways_of(searcher, path, built.search_params.get("nprobe", 1))
    for some in measure(shop, ways, homes, per_home):
        lines += some
        cells = (f"{line.recall:.3f} x{line.slower:4.1f}" for line in some)
        name = f"{some[0].share:6g} {some[0].filter:13} {some[0].query}"
        print(f"{name:34}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the bar is held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kind", default="auto", choices=get_args(IndexKind))
    parser.add_argument("--homes", type=int, default=10, help="categories of queries, a filter for each")
    parser.add_argument("--queries", type=int, default=20, help="queries of each kind from each of them, at most")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        lines = run(Path(folder), args.items, args.dim, args.kind, args.homes, args.queries, args.seed)
    return 0 if report(lines) else 1


if __name__ == "__main__":
    sys.exit(main())
