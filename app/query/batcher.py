"""Queries that wait for the same encoder are encoded together, as soon as the batch before is done."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np

from app.errors import Busy
from app.metrics import Metrics

#: A method of one encoder, for texts or for images. Only queries with the same one share a batch.
Encode = Callable[[list[Any]], np.ndarray]


@dataclass(frozen=True)
class _Waiting:
    encode: Encode
    inputs: list[Any]
    vectors: "Future[np.ndarray]" = field(default_factory=Future)
    since: float = field(default_factory=perf_counter)


class DynamicBatcher:
    """One thread that encodes, so that a process has one set of compute threads however many queries come.

    No query waits for a batch to fill: the thread takes what arrived while it worked, oldest first. Thread-safe.
    """

    def __init__(self, most: int, most_waiting: int, metrics: Metrics) -> None:
        """``most`` inputs in one batch (one query's stay together), ``most_waiting`` queries in the queue."""
        self._most, self._most_waiting, self._metrics = most, most_waiting, metrics
        self._queue: deque[_Waiting] = deque()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")

    def encode(self, encode: Encode, inputs: list[Any]) -> np.ndarray:
        """(n, d) vectors of one query's inputs. Raises Busy where the queue is full, and what ``encode`` raises."""
        one = _Waiting(encode, inputs)
        with self._lock:
            if len(self._queue) >= self._most_waiting:
                self._metrics.refused("queue")
                raise Busy(f"{len(self._queue)} queries wait already. Ask again in a moment.")
            self._queue.append(one)
            self._metrics.waiting.set(len(self._queue))
        self._thread.submit(self._work)  # finds an empty queue where an earlier batch took this query
        return one.vectors.result()

    def _work(self) -> None:
        batch = self._take()
        began = perf_counter()
        for one in batch:
            self._metrics.waited(began - one.since)
        if batch:
            self._metrics.batches.observe(len(batch))
            self._encode(batch)

    def _take(self) -> list[_Waiting]:
        """The oldest query and those behind it that can go with it."""
        batch: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        with self._lock:
            room = self._most
            for one in self._queue:
                fits = not batch or (one.encode == batch[0].encode and len(one.inputs) <= room)
                (batch if fits else left).append(one)
                room -= len(one.inputs) if fits else 0
            self._queue = left
            self._metrics.waiting.set(len(left))
        return batch

    def _encode(self, batch: list[_Waiting]) -> None:
        inputs = [given for one in batch for given in one.inputs]
        try:
            with self._metrics.stage("encode"):
                vectors = batch[0].encode(inputs)
        except Exception as error:
            if len(batch) == 1:
                batch[0].vectors.set_exception(error)
                return
            for one in batch:  # one query's fault must not fail the others
                self._encode([one])
            return
        ends = np.cumsum([len(one.inputs) for one in batch])
        for one, part in zip(batch, np.split(vectors, ends[:-1]), strict=True):
            one.vectors.set_result(part)
