"""A pool of processes that decode images for a GPU.

Threads of one Python process decode about a thousand images a second on any number of cores; an H100 encodes twenty
times as many.
"""

import json
import mmap
import os
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import numpy as np

from tasks.clip.images import PixelReader
from tasks.schema import errors
from tasks.schema.errors import ProductSearchError, TransientError

ReadImages = Callable[[Sequence[str]], Iterable[bytes]]
_SLOTS = 3  # batches in memory: one that the device computes, two that are being decoded


@dataclass(frozen=True)
class ImageSource:
    """How images are read by name: with ``read`` in this process, with ``reader(place)`` in a worker process."""

    read: ReadImages
    reader: Callable[[str], ReadImages]
    place: str


@dataclass(frozen=True)
class HostConfig:
    """What `tasks/clip/decode_host.py` reads first: plain values, and the file descriptor of the shared memory."""

    reader: str
    place: str
    preprocess: dict[str, Any]
    processes: int
    memory: int
    shape: tuple[int, int, int, int]


class DecodePool:
    """Processes that read, decode and resize batches of images into shared memory. Linux only.

    They take seconds to start and do so in the background: see ``ready``. They end with `close`, with the last
    reference to the pool, or with this process.
    """

    def __init__(self, pixels: PixelReader, source: ImageSource, batch_size: int, processes: int) -> None:
        height, width = pixels.sides
        shape = (_SLOTS, batch_size, height, width, 3)
        memory = os.memfd_create("pixels")  # not /dev/shm, which has 64 MB in a container
        os.ftruncate(memory, int(np.prod(shape)))
        self._slots = np.frombuffer(mmap.mmap(memory, 0), np.uint8).reshape(shape)
        reader = f"{source.reader.__module__}:{source.reader.__qualname__}"
        config = HostConfig(
            reader, source.place, pixels.preprocess, processes, memory, (_SLOTS * batch_size, *shape[2:])
        )
        self._host = subprocess.Popen(
            [sys.executable, "-m", "tasks.clip.decode_host"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=(memory,), env=_environment(), start_new_session=True,  # an interrupt is for the caller
        )  # fmt: skip
        os.close(memory)
        assert self._host.stdin
        weakref.finalize(self, self._host.stdin.close)  # the host ends at the end of its input
        self.batch_size, self.settings = batch_size, (source.place, batch_size, processes)
        self._started, self._start_ended = Event(), Event()
        self._answers = SimpleQueue[dict[str, Any] | None]()
        # not a bound method: the thread must not keep this object alive
        arguments = (self._host.stdout, self._started, self._start_ended, self._answers)
        Thread(target=_queue_answers, args=arguments, name="decoded", daemon=True).start()
        self._send(asdict(config))

    @property
    def ready(self) -> bool:
        """Whether the workers run, so that a batch is decoded at once."""
        return self._started.is_set() and self.alive

    @property
    def alive(self) -> bool:
        """Whether the host runs or is still starting."""
        return self._host.poll() is None

    @property
    def failed(self) -> bool:
        """Whether it could not start; another one with the same settings would fail too."""
        return self._start_ended.is_set() and not self._started.is_set()

    def wait(self) -> None:
        """Block until the pool is ready or has failed."""
        self._start_ended.wait()

    def decoded(self, batches: Iterable[list[str]]) -> Iterator[tuple[list[str], np.ndarray]]:
        """Decode batches of names: yields (names, uint8 (n, height, width, 3)) in order.

        The pixels are valid until the next batch is requested. Raises what a worker raised (CatalogError by image, or
        the store's errors), and TransientError where a worker died.
        """
        pending: deque[tuple[int, list[str]]] = deque()
        try:
            for number, names in enumerate(batches):
                slot = number % _SLOTS
                self._send({"row": slot * self.batch_size, "names": names})
                pending.append((slot, names))
                if len(pending) == _SLOTS:
                    yield self._receive(*pending.popleft())
            while pending:
                yield self._receive(*pending.popleft())
        except BaseException:
            self.close()  # the next call would take the pending answers for its own
            raise

    def close(self) -> None:
        """Kill the host; the workers end with it."""
        self._host.kill()
        self._host.wait()

    def _receive(self, slot: int, names: list[str]) -> tuple[list[str], np.ndarray]:
        answer = self._answers.get()
        if answer is None:
            raise TransientError(
                "a process that decodes images ended, perhaps for lack of memory; lower embed.decode_threads or "
                "embed.batch_size if it happens again"
            )
        if answer["error"]:
            kind = getattr(errors, answer["error"], ProductSearchError)
            raise kind(answer["message"])
        return names, self._slots[slot, : len(names)]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._host.stdin
        with suppress(BrokenPipeError):  # reported when the answer is read
            self._host.stdin.write(json.dumps(message) + "\n")
            self._host.stdin.flush()


def _queue_answers(
    lines: Iterable[str], started: Event, start_ended: Event, answers: "SimpleQueue[dict[str, Any] | None]"
) -> None:
    """Queue the host's answers; the first line only says that it has started. None marks the end."""
    for line in lines:
        if not line.endswith("\n"):
            break  # it was killed while writing
        if started.is_set():
            answers.put(json.loads(line))
        started.set()
        start_ended.set()
    start_ended.set()
    answers.put(None)


def _environment() -> dict[str, str]:
    """This process's environment with the same import path, one thread a process and no access to GPUs."""
    path = os.pathsep.join(filter(None, sys.path))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
