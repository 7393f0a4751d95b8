"""The program behind `DecodeCrew`: ``python -m tasks.clip.decode_host``. It imports once and then forks workers.

Lines of JSON: first a Task, answered by ``{}`` once workers run; then ``{"row": R, "names": [...]}`` for each batch,
whose pixels go to the shared memory from row R on, answered in order by ``{"error": null}`` or by an error's class and
message. It ends at the end of its input. (multiprocessing alone would import the caller's main module in every worker,
and all that a flow imports with it.)
"""

import ctypes
import json
import mmap
import multiprocessing
import os
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from tasks.clip.decoding import Read, Task
from tasks.clip.images import PixelReader, decode
from tasks.schema.errors import ProductSearchError

_PR_SET_PDEATHSIG = 1
_read: Read
_pixels: PixelReader
_rows: np.ndarray


def main() -> None:
    """Serve until the input ends."""
    task = Task(**json.loads(sys.stdin.readline()))
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(task.processes, context, initializer=begin, initargs=(task,))
    pool.submit(work, 0, []).result()  # forks all of them, before there is a thread here
    say({})
    asked: SimpleQueue[list[Future[None]]] = SimpleQueue()
    Thread(target=answer, args=(asked,), daemon=True).start()
    for line in sys.stdin:
        batch = json.loads(line)
        row, names = batch["row"], batch["names"]
        size = -(-len(names) // (2 * task.processes))
        parts = range(0, len(names), size)
        asked.put([pool.submit(work, row + first, names[first : first + size]) for first in parts])
    os._exit(0)  # nobody waits for what is under way


def begin(task: Task) -> None:
    """What a worker does first."""
    global _read, _pixels, _rows
    end_with_host()
    module, _, name = task.reader.partition(":")
    _read = getattr(import_module(module), name)(task.place)
    _pixels = PixelReader(task.preprocess, (task.shape[1], task.shape[2]))
    _rows = np.frombuffer(mmap.mmap(task.memory, 0), np.uint8).reshape(task.shape)


def work(row: int, names: list[str]) -> None:
    """Pixels of ``names`` to the shared memory from ``row`` on."""
    for place, (name, data) in enumerate(zip(names, _read(names), strict=True)):
        _rows[row + place] = decode(_pixels, name, data)


def answer(asked: "SimpleQueue[list[Future[None]]]") -> None:
    """Tell of each batch in turn, once all of it is done."""
    while True:
        say(outcome(asked.get()))


def outcome(parts: "list[Future[None]]") -> dict[str, Any]:
    """The first error of a batch, by its class in `tasks.schema.errors`. A worker that died ends the program."""
    try:
        for part in parts:
            part.result()
    except BrokenProcessPool:
        os._exit(1)
    except ProductSearchError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # a defect: told as it is
        return {"error": "ProductSearchError", "message": f"{type(error).__name__}: {error}"}
    return {"error": None}


def say(words: dict[str, Any]) -> None:
    """One line to the caller."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def end_with_host() -> None:
    """A worker whose host was killed would wait for ever. Not for the host: the signal follows a thread's end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
