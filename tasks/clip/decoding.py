"""Images to pixels in processes of their own, for a GPU: Python lets the threads of one process decode a thousand
images a second, however many cores there are; an H100 takes twenty times as many."""

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

Read = Callable[[Sequence[str]], Iterable[bytes]]
_AHEAD = 3  # batches in memory: one that the device computes, two that are being decoded


@dataclass(frozen=True)
class Source:
    """How named images are read: by ``read`` here, by ``reader(place)`` in a process that shares the environment."""

    read: Read
    reader: Callable[[str], Read]
    place: str


@dataclass(frozen=True)
class Task:
    """What `tasks/clip/decode_host.py` is told when it starts: plain values, and the number of the shared memory."""

    reader: str
    place: str
    preprocess: dict[str, Any]
    processes: int
    memory: int
    shape: tuple[int, int, int, int]


class DecodeCrew:
    """Processes that read, decode and resize batches into memory they share with this one. Linux only.

    They start in the background, for that takes seconds: ``ready`` tells. Close it, or end; they end with it.
    """

    def __init__(self, pixels: PixelReader, source: Source, batch_size: int, processes: int) -> None:
        height, width = pixels.sides
        shape = (_AHEAD, batch_size, height, width, 3)
        memory = os.memfd_create("pixels")  # not /dev/shm, of which a container has 64 MB
        os.ftruncate(memory, int(np.prod(shape)))
        self._slots = np.frombuffer(mmap.mmap(memory, 0), np.uint8).reshape(shape)
        reader = f"{source.reader.__module__}:{source.reader.__qualname__}"
        task = Task(reader, source.place, pixels.preprocess, processes, memory, (_AHEAD * batch_size, *shape[2:]))
        self._host = subprocess.Popen(
            [sys.executable, "-m", "tasks.clip.decode_host"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=(memory,), env=_environment(), start_new_session=True,  # an interrupt is for the caller
        )  # fmt: skip
        os.close(memory)
        assert self._host.stdin
        weakref.finalize(self, self._host.stdin.close)  # the end of its input ends the host
        self.batch_size, self.made_for = batch_size, (source.place, batch_size, processes)
        self._greeted, self._settled = Event(), Event()
        self._answers = SimpleQueue[dict[str, Any] | None]()
        # the thread must not hold this object
        heard = (self._host.stdout, self._greeted, self._settled, self._answers)
        Thread(target=_listen, args=heard, name="decoded", daemon=True).start()
        self._tell(asdict(task))

    @property
    def ready(self) -> bool:
        """Whether a batch would be begun at once."""
        return self._greeted.is_set() and self.alive

    @property
    def alive(self) -> bool:
        """Whether it runs, or still starts."""
        return self._host.poll() is None

    @property
    def failed(self) -> bool:
        """Whether it could not even start: another would not either."""
        return self._settled.is_set() and not self._greeted.is_set()

    def wait(self) -> None:
        """Until it is ready, or has failed."""
        self._settled.wait()

    def decoded(self, batches: Iterable[list[str]]) -> Iterator[tuple[list[str], np.ndarray]]:
        """(names, uint8 (n, height, width, 3)) of each batch, in order; the pixels hold until the next is asked for.

        Raises what a process raised (CatalogError by image, or the store's own), TransientError where one ended.
        """
        waiting: deque[tuple[int, list[str]]] = deque()
        try:
            for number, names in enumerate(batches):
                slot = number % _AHEAD
                self._tell({"row": slot * self.batch_size, "names": names})
                waiting.append((slot, names))
                if len(waiting) == _AHEAD:
                    yield self._take(*waiting.popleft())
            while waiting:
                yield self._take(*waiting.popleft())
        except BaseException:
            self.close()  # what is under way would be taken for an answer to the next
            raise

    def close(self) -> None:
        """End all of them."""
        self._host.kill()
        self._host.wait()

    def _take(self, slot: int, names: list[str]) -> tuple[list[str], np.ndarray]:
        answer = self._answers.get()
        if answer is None:
            raise TransientError(
                "a process that decodes images ended, perhaps for want of memory; lower embed.decode_threads or "
                "embed.batch_size if it happens again"
            )
        if answer["error"]:
            kind = getattr(errors, answer["error"], ProductSearchError)
            raise kind(answer["message"])
        return names, self._slots[slot, : len(names)]

    def _tell(self, words: dict[str, Any]) -> None:
        assert self._host.stdin
        with suppress(BrokenPipeError):  # the answer says so
            self._host.stdin.write(json.dumps(words) + "\n")
            self._host.stdin.flush()


def _listen(
    lines: Iterable[str], greeted: Event, settled: Event, answers: "SimpleQueue[dict[str, Any] | None]"
) -> None:
    for line in lines:
        if not line.endswith("\n"):
            break  # it was killed while it spoke
        if greeted.is_set():
            answers.put(json.loads(line))
        greeted.set()
        settled.set()
    settled.set()
    answers.put(None)


def _environment() -> dict[str, str]:
    """This process' own, for the same code; each of many has one core, and the device is not for them."""
    path = os.pathsep.join(filter(None, sys.path))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
