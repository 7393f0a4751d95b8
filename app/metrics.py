"""Metrics of the app for Prometheus. One object for each app, passed to every part that measures.

Labels are names from this program alone, never a caller's words.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.serving.live import Live

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Stages of a query. "wait" is the time until the encoder takes it; "total" is all of it.
STAGES = ("decode", "wait", "encode", "search", "products", "total")
_PREFIX = "product_search"


class Metrics:
    """Counters, gauges and histograms of one app. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        stages = Histogram(
            f"{_PREFIX}_stage_seconds", "Time of a query, by stage", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._requests = self._counter("requests", "HTTP requests answered", "route", "status")
        self._refusals = self._counter("refusals", "Requests turned away, by reason", "reason")
        self._cache = self._counter("vector_cache", "Vectors of queries looked up in memory", "kind", "result")
        self._swaps = self._counter("swaps", "Releases that were to go live here, by what came of it", "result")
        for result in ("served", "refused"):
            self._swaps.labels(result)  # zero from the start: an alert needs a first value
        self.batches = Histogram(
            f"{_PREFIX}_batch_size",
            "Queries encoded together",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.waiting = Gauge(f"{_PREFIX}_queue_depth", "Queries that wait for the encoder", registry=self.registry)
        self.in_flight = Gauge(f"{_PREFIX}_in_flight", "Searches being answered", registry=self.registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", words, labels, registry=self.registry)

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Time a part of a query, one of `STAGES`, also where it fails."""
        began = perf_counter()
        try:
            yield
        finally:
            self._stages[stage].observe(perf_counter() - began)

    def waited(self, seconds: float) -> None:
        """A query waited for the encoder."""
        self._stages["wait"].observe(seconds)

    def answered(self, route: str, status: int) -> None:
        """A request was answered. ``route``: its template, never its path."""
        self._requests.labels(route, str(status)).inc()

    def refused(self, reason: str) -> None:
        """A request was refused, for load or for its key."""
        self._refusals.labels(reason).inc()

    def looked_up(self, kind: str, hits: int, misses: int) -> None:
        """Vectors were looked up in memory."""
        self._cache.labels(kind, "hit").inc(hits)
        self._cache.labels(kind, "miss").inc(misses)

    def follow(self, live: Live) -> None:
        """Expose the live release at the time of each scrape, and count the swaps."""
        live.on_swap.append(lambda snapshot: self._swaps.labels("served").inc())
        live.on_refuse.append(lambda refused: self._swaps.labels("refused").inc())
        self.registry.register(_LiveRelease(live))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _LiveRelease(Collector):
    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """Gauges of the release that answers. Without one there is no generation and no age."""
        status = self._live.status()
        yield _gauge("ready", "Whether a release answers", status.snapshot is not None)
        yield _gauge("stale", "Whether what answers may be older than what is live", status.stale)
        yield _gauge("resident_releases", "Releases in memory", status.resident)
        if status.snapshot is not None:
            yield _gauge("generation", "Generation of the live release", status.snapshot.pointer.generation)
            yield _gauge("products", "Products that can be found", len(status.snapshot.items))
        if status.live_seconds is not None:
            yield _gauge("live_seconds", "Seconds since the live release was published", status.live_seconds)
        if status.checked_seconds is not None:
            yield _gauge("checked_seconds", "Seconds since the live pointer was read", status.checked_seconds)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", words, value=float(value))
