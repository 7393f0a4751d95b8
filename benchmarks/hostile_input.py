"""Hostile input: no answer is a server's fault, none hangs, memory stays bounded, and the next good query is answered.

python -m benchmarks.hostile_input                          # 3000 mutated images and more, thrice: ten minutes
python -m benchmarks.hostile_input --pictures 200 --short   # a minute

The app runs as it does in production, in a process of its own over a made-up shop, under the limits of its settings.
It is sent: what schemathesis makes of the served OpenAPI; images that mean harm, to every route that takes one and to
the page's own upload; JSON, addresses, forms and HTTP bent in every way; and calls of the page that name other people's
files. 503 is an answer where it says when to come back. Exits with 1 where the bar is missed.
"""

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from app.settings import AppSettings
from benchmarks.harness.app_process import ready, running_app
from benchmarks.harness.made_up_shop import MadeUpShop
from benchmarks.harness.verdict import verdict
from benchmarks.hostile.client import Seen, Visitor, send_raw, send_upload
from benchmarks.hostile.images import Upload, crafted, encoded, mutated
from benchmarks.hostile.openapi_examples import check_openapi
from benchmarks.hostile.requests import posted, requests

CLIENTS, DECODE_SECONDS, DECODERS = 4, 3.0, 2
#: An image waits for a decoder, is decoded, and is encoded; beside it run three others and this benchmark.
LONGEST_ANSWER = 30.0
_SLACK_MB = 300.0  # what threads keep of the memory they used, and the state of the most sessions that Gradio keeps
_AGAIN_MB = 60.0  # what is left of a leak when caches and the allocator's pools are full
_ROUTES = ("/v1/search/image", "/v1/classify", "/v1/search", "page")


@dataclass
class Memory:
    """Resident memory (MB) of the app and of the largest of its decoders, sampled while it is used as a context."""

    pid: int
    app_mb: float = 0.0
    decoder_mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.app_mb = max(self.app_mb, rss_mb(self.pid))
            self.decoder_mb = max([self.decoder_mb, *map(rss_mb, _decoders(self.pid))])


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB, 0 where it has ended; PSS would stop the process to look at each page."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 1e6)
    except psutil.Error:
        return 0.0


def _decoders(pid: int) -> list[int]:
    """Decoders among the children of the app; not a fork of the app that is about to become one."""
    found = []
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):
                if "app.query.decoder" in child.cmdline():
                    found.append(child.pid)
    return found


def send_all(port: int, uploads: Iterable[Upload], everywhere: bool) -> list[Seen]:
    """Send images by several clients at once: each to every route, or each to the next one."""
    routes = itertools.cycle(_ROUTES)
    jobs = ((upload, route) for upload in uploads for route in (_ROUTES if everywhere else (next(routes),)))
    visitors = itertools.cycle([Visitor(port, f"visitor{number}") for number in range(2 * CLIENTS)])

    def send(job: tuple[Upload, str, Visitor]) -> Seen:
        upload, route, visitor = job
        return visitor.look_for(upload) if route == "page" else send_upload(port, route, upload)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(send, ((upload, route, next(visitors)) for upload, route in jobs)))


def hold_open(port: int, connections: int = 100) -> Seen:
    """Ask something good while many connections are kept waiting for the rest of their bodies."""
    with ThreadPoolExecutor(connections) as pool:
        part = posted("/v1/search", b"{", length=99)
        half = partial(send_raw, port, "slow", "half a body", part, broken=True)
        held = [pool.submit(half) for _ in range(connections)]
        time.sleep(1)
        seen = Visitor(port, "meanwhile").ask("beside 100 half requests")
        for one in held:
            one.result()
    return seen


def flood_sessions(port: int, sessions: int) -> list[Seen]:
    """Calls of the page under ever new sessions, whose answers nobody fetches."""
    return [Visitor(port, f"flood{number}").call_once() for number in range(sessions)]


def measure(shop: MadeUpShop, chosen: argparse.Namespace) -> tuple[list[Seen], list[str], dict[str, float | bool]]:
    """Run it; returns what was answered, what schemathesis found, and the figures of the process."""
    release = shop.release("a", shop.model("m", 1), shop.index("i", 2), shop.classifier("c"))
    shop.publish(release)
    flags = ["--device", "cpu", "--threads", "1", "--decode_seconds", str(DECODE_SECONDS), "--decoders", str(DECODERS)]
    with running_app(shop, flags) as (port, pid):
        visitor = Visitor(port, "good")
        wanted = visitor.answers()
        seen = send_all(
            port, [Upload("warm-up", kind, encoded(kind, size=(3000, 2000))) for kind in ("JPEG", "PNG")], True
        )
        figures: dict[str, float | bool] = {"before_mb": rss_mb(pid)}
        with Memory(pid) as memory:
            found = check_openapi(port, chosen.examples, chosen.seed, thorough=not chosen.short)
            for _ in range(chosen.rounds):
                figures["after_mb"] = rss_mb(pid)
                seen += _everything(shop, port, pid, visitor, chosen)
        time.sleep(1)
        figures |= {"peak_mb": memory.app_mb, "decoder_mb": memory.decoder_mb, "again_mb": rss_mb(pid)}
        figures["alive"] = ready(port).get("ready") is True
        figures["right"] = visitor.answers() == wanted
    return seen, found, figures


def _everything(shop: MadeUpShop, port: int, pid: int, visitor: Visitor, chosen: argparse.Namespace) -> list[Seen]:
    by_hand = itertools.islice(crafted(slow=not chosen.short), 0, None, 4 if chosen.short else 1)
    seen = _timed(pid, "images made by hand", lambda: send_all(port, by_hand, everywhere=not chosen.short))
    seen += _timed(pid, "mutated images", lambda: send_all(port, mutated(chosen.seed, chosen.pictures), False))
    seen += _timed(pid, "requests", lambda: _send_requests(port, "all-000001", shop.images[1]))
    seen += _timed(pid, "calls of the page", lambda: list(visitor.name_other_files(shop.root)))
    return seen + _timed(pid, "sessions", lambda: [hold_open(port), *flood_sessions(port, chosen.sessions)])


def _timed(pid: int, name: str, work: Callable[[], list[Seen]]) -> list[Seen]:
    began = time.monotonic()
    seen = work()
    print(f"{name:24} {len(seen):5} answers, {time.monotonic() - began:3.0f} s, {rss_mb(pid):.0f} MB after", flush=True)
    return seen


def _send_requests(port: int, item: str, image: str) -> list[Seen]:
    sent = [
        partial(send_raw, port, raw.family, raw.name, raw.content, broken=raw.broken, pause=raw.pause)
        for raw in requests(item, image)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [future.result() for future in [pool.submit(one) for one in sent]]


def report(seen: list[Seen], found: list[str], figures: dict[str, float | bool]) -> bool:
    """Print the figures and the verdict, and return it."""
    families = sorted({one.family for one in seen})
    print(f"\n{'family':22} {'sent':>6}  slowest   answers")
    for family in families:
        ours = [one for one in seen if one.family == family]
        told = ", ".join(
            f"{count} x {status or 'hung up'}" for status, count in sorted(Counter(s.status for s in ours).items())
        )
        print(f"{family:22} {len(ours):6}  {max(one.seconds for one in ours):5.2f} s   {told}")
    faults = [one for one in seen if one.fault]
    some = [one for family in families for one in [fault for fault in faults if fault.family == family][:5]]
    for one in some:
        print(f"FAULT  {one.family}, {one.name}: {one.status} {one.fault}")
    for told in found:
        print(f"FAULT  schemathesis: {told}")
    limits = AppSettings(decoders=DECODERS)
    decoder, most = limits.decoder_bytes / 1e6 + 60, _most_mb(figures["before_mb"], limits)
    before, after, again, peak = (
        f"{figures[name]:.0f} MB" for name in ("before_mb", "after_mb", "again_mb", "peak_mb")
    )
    print(f"memory of the app      {before} before, {after} before the last round, {again} after it, {peak} at most")
    print(f"memory of a decoder    {figures['decoder_mb']:.0f} MB at most, of {DECODERS}")
    bars = {
        "no fault of the server, every answer declared": not faults and not found,
        f"every answer within {LONGEST_ANSWER:.0f} s": max(one.seconds for one in seen) <= LONGEST_ANSWER,
        f"app within {most:.0f} MB: {CLIENTS} requests of the largest size at once": figures["peak_mb"] <= most,
        f"the last round leaves at most {_AGAIN_MB:.0f} MB more": figures["again_mb"]
        <= figures["after_mb"] + _AGAIN_MB,
        f"a decoder within {decoder:.0f} MB: what 40 megapixels may take": figures["decoder_mb"] <= decoder,
        "the process is alive and ready": bool(figures["alive"]),
        "good queries answer as before": bool(figures["right"]),
    }
    return verdict(bars)


def _most_mb(before: float, limits: AppSettings) -> float:
    """A body is held as it came, as text, and as the bytes that the text stands for."""
    return before + CLIENTS * 4 * 1.4 * limits.max_upload_bytes / 1e6 + _SLACK_MB


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3000, help="mutated images")
    parser.add_argument("--sessions", type=int, default=2500, help="calls whose answers nobody fetches")
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often everything is sent; memory settles in the first"
    )
    parser.add_argument("--examples", type=int, default=3, help="of schemathesis, for each operation")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--short", action="store_true", help="without bombs, and without what a schema's bounds suggest"
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hostile-input-") as folder:
        seen, found, figures = measure(MadeUpShop(Path(folder), 300), chosen)
    return 0 if report(seen, found, figures) else 1


if __name__ == "__main__":
    sys.exit(main())
