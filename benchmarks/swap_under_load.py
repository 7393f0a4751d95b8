"""Swaps under constant load: no query fails, each answer is one release's, at most two are resident, memory stays.

python -m benchmarks.swap_under_load                       # 20 000 queries, 50 swaps: three minutes of processor time
python -m benchmarks.swap_under_load --queries 600 --swaps 6 --items 300

The app runs as it does in production, as a process of its own; the load comes from another one. What each release
must answer to each query is worked out beforehand, without the app. Exits with 1 where the bar is missed.
"""

import argparse
import http.client
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness.app_process import QUICK, pss_mb, running_app, wait_until
from benchmarks.harness.made_up_shop import MadeUpShop
from benchmarks.harness.verdict import verdict
from tasks.clip.encoder import Encoder
from tasks.retrieval.search import RowFilter, Searcher
from tasks.schema.release import Release
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.images import read_image
from tasks.store.releases.removals import read_removals

TOP_K, THREADS = 10, 4
TEXTS = [f"{color} {thing}" for color in ("red", "blue", "green", "striped") for thing in ("mug", "chair", "lamp")]
LIKE = [f"all-{row:06d}" for row in range(1, 24, 2)]
_MOST_RESIDENT, _MEMORY_SLACK_MB = 2, 24.0

Query = dict[str, str]


@dataclass(frozen=True)
class Asked:
    """One query as the client saw it: when it began and ended (seconds), the release that answered, what was wrong."""

    began: float
    ended: float
    release: str
    fault: str


def queries() -> list[Query]:
    """Bodies of /v1/search: by words, and like a product that every release has."""
    return [{"text": text} for text in TEXTS] + [{"item_id": item} for item in LIKE]


def make_releases(shop: MadeUpShop) -> list[Release]:
    """Releases to alternate between: other products, another model, and products taken down of either."""
    first, second = shop.model("m1", 1), shop.model("m2", 2)
    a = shop.release("a", first, shop.index("a", 11))
    b = shop.release("b", second, shop.index("b", 12))
    c = shop.release("c", first, shop.index("c", 13))
    down = [f"a-{row:06d}" for row in range(0, shop.items, 4)]
    more = [f"all-{row:06d}" for row in range(25, shop.items, 2)]
    return [a, shop.taken_down(a, down), shop.taken_down(a, [*down, *more]), b, shop.taken_down(b, more), c]


def expected_answers(shop: MadeUpShop, release: Release) -> list[list[str]]:
    """Item ids that ``release`` alone answers to each of `queries`, best first."""
    folder = fetch(shop.store, release.index)
    table = pq.read_table(folder / "items.parquet")
    ids, images = table["item_id"].to_pylist(), table["image_sha256"].to_pylist()
    removed = set(read_removals(shop.store, release.removals)["item_id"].to_pylist())
    allowed = RowFilter(np.array([one not in removed for one in ids]))
    encoder = Encoder.load(fetch(shop.store, release.model), device="cpu")
    searcher = Searcher.open(folder / "index.faiss")
    answers = []
    for query in queries():
        like = query.get("item_id")
        if like is None:
            vectors = encoder.encode_texts([query["text"]])
        else:
            vectors = encoder.encode_images([read_image(shop.store, images[ids.index(like)])])
        _, rows = searcher.search(vectors, TOP_K + 1, allowed)
        answers.append([ids[row] for row in rows[0] if ids[row] != like][:TOP_K])
    return answers


def load(port: int, expected: dict[str, list[list[str]]], count: Any, stop: Any, results: Any) -> None:
    """The client process: ask without pause in a few threads until told to stop."""
    asked: list[Asked] = []

    def ask_on(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        turn = number
        while not stop.is_set():
            which = turn % len(bodies)
            began = time.time()
            release, fault = _ask(connection, bodies[which], expected, which)
            asked.append(Asked(began, time.time(), release, fault))
            turn += 1
            with count.get_lock():
                count.value += 1

    bodies = queries()
    threads = [threading.Thread(target=ask_on, args=(7 * number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(asked)


def _ask(
    connection: http.client.HTTPConnection, body: Query, expected: dict[str, list[list[str]]], which: int
) -> tuple[str, str]:
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/search", json.dumps({**body, "top_k": TOP_K}), headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return "", repr(error)
    if answer.status != 200:
        return "", f"{answer.status} {content[:200]!r}"
    told = json.loads(content)
    found = [hit["product"]["item_id"] for hit in told["hits"]]
    if told["release"] not in expected:
        return told["release"], "an unknown release"
    wanted = expected[told["release"]][which]
    return told["release"], "" if found == wanted else f"{body}: found {found}, {told['release']} answers {wanted}"


def measure(shop: MadeUpShop, wanted: int, swaps: int) -> tuple[list[Asked], list[tuple[float, float]], dict[str, Any]]:
    """Run it; returns the queries, the spans of the swaps (published to served, seconds), and what else was seen."""
    releases = make_releases(shop)
    expected = {release.id: expected_answers(shop, release) for release in releases}
    shop.publish(releases[0])
    context = multiprocessing.get_context("spawn")
    count, stop, results = context.Value("q", 0), context.Event(), context.Queue()
    with running_app(shop, QUICK) as (port, pid):
        client = context.Process(target=load, args=(port, expected, count, stop, results))
        client.start()
        try:
            generation = 1
            _wait_for_count(count, THREADS, client)
            for release in [*releases[1:], releases[0]]:  # every code path once: memory is compared with after this
                generation = shop.publish(release).generation
                wait_until(port, generation)
            time.sleep(1)
            seen = {"before_mb": pss_mb(pid), "peak_mb": 0.0}
            offset, spans = count.value, []
            for number in range(1, swaps + 1):
                began = time.time()
                generation = shop.publish(releases[number % len(releases)]).generation
                wait_until(port, generation)
                spans.append((began, time.time()))
                seen["peak_mb"] = max(seen["peak_mb"], pss_mb(pid))
                _wait_for_count(count, offset + wanted * number // swaps, client)
            time.sleep(1)
            seen |= {"after_mb": pss_mb(pid), **wait_until(port, generation)}
        finally:
            stop.set()
        asked = results.get(timeout=60)
        client.join(timeout=30)
    return asked, spans, seen


def _wait_for_count(count: Any, wanted: int, client: Any) -> None:
    while count.value < wanted:
        if not client.is_alive():
            raise RuntimeError(f"the client process ended after {count.value} queries")
        time.sleep(0.02)


def report(asked: list[Asked], spans: list[tuple[float, float]], seen: dict[str, Any], wanted: int) -> bool:
    """Print the figures and the verdict, and return it."""
    faults = sorted({one.fault for one in asked if one.fault})
    measured = [one for one in asked if one.ended >= spans[0][0]]
    took = [end - begin for begin, end in spans]
    before, peak, after = (f"{seen[name]:.0f} MB" for name in ("before_mb", "peak_mb", "after_mb"))
    print(f"queries            {len(measured)} by {THREADS} connections, and {len(asked) - len(measured)} to warm up")
    print(f"swaps              {len(spans)}, served {np.median(took):.2f} s after (median; worst {max(took):.2f} s)")
    print(f"failed or mixed    {sum(bool(one.fault) for one in asked)} {'; '.join(faults[:3])}")
    print(f"releases answering {len({one.release for one in asked})}")
    print(f"most resident      {seen['most_resident']}, now {seen['resident']}")
    print(f"memory (PSS)       {before} before, {peak} at most, {after} after")
    _report_latency(measured, spans)
    bars = {
        "no query failed or mixed releases": not faults,
        f"{wanted} queries": len(measured) >= wanted,
        f"at most {_MOST_RESIDENT} releases resident, one at the end": seen["most_resident"] <= _MOST_RESIDENT
        and seen["resident"] == 1,
        "memory back to level": seen["after_mb"] <= 1.1 * seen["before_mb"] + _MEMORY_SLACK_MB,
    }
    return verdict(bars)


def _report_latency(measured: list[Asked], spans: list[tuple[float, float]]) -> None:
    during = [_ms(one) for one in measured if _meets(one, spans)]
    steady = [_ms(one) for one in measured if not _meets(one, spans)]
    if not during or not steady:
        print("p99                not told: no query met a swap, or every one did")
        return
    worst, usual = float(np.percentile(during, 99)), float(np.percentile(steady, 99))
    print(
        f"p99                {worst:.1f} ms in the {len(during)} queries that met a swap, {usual:.1f} ms in the others:"
    )
    print(f"p99 during / p99   {worst / usual:.2f}")


def _ms(one: Asked) -> float:
    return 1000 * (one.ended - one.began)


def _meets(one: Asked, spans: list[tuple[float, float]]) -> bool:
    return any(one.began <= end and one.ended >= begin for begin, end in spans)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--items", type=int, default=4000, help="products of each release")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="swap-under-load-") as folder:
        asked, spans, seen = measure(MadeUpShop(Path(folder), chosen.items), chosen.queries, chosen.swaps)
    return 0 if report(asked, spans, seen, chosen.queries) else 1


if __name__ == "__main__":
    sys.exit(main())
