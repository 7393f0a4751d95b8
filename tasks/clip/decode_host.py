"""The program behind `DecodePool`: ``python -m tasks.clip.decode_host``. It imports once and then forks workers.

The protocol is lines of JSON. First a HostConfig, answered by ``{}`` once workers run; then ``{"row": R, "names":
[...]}`` for each batch, whose pixels are written to the shared memory from row R on, answered in order by ``{"error":
null}`` or by an error's class and message. It ends at the end of its input. (A pool of multiprocessing in the caller
would import the caller's main module in every worker, with all that a flow imports.)
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

from tasks.clip.decoding import HostConfig, ReadImages
from tasks.clip.images import PixelReader, decode
from tasks.schema.errors import ProductSearchError

_PR_SET_PDEATHSIG = 1
_read: ReadImages
_pixels: PixelReader
_rows: np.ndarray


def main() -> None:
    """Serve until the input ends."""
    config = HostConfig(**json.loads(sys.stdin.readline()))
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(config.processes, context, initializer=initialise_worker, initargs=(config,))
    pool.submit(decode_part, 0, []).result()  # forks all workers before this process has another thread
    send({})
    pending: SimpleQueue[list[Future[None]]] = SimpleQueue()
    Thread(target=send_results, args=(pending,), daemon=True).start()
    for line in sys.stdin:
        batch = json.loads(line)
        row, names = batch["row"], batch["names"]
        size = -(-len(names) // (2 * config.processes))
        starts = range(0, len(names), size)
        pending.put([pool.submit(decode_part, row + start, names[start : start + size]) for start in starts])
    os._exit(0)  # without waiting for pending batches


def initialise_worker(config: HostConfig) -> None:
    """Open the source and the shared memory in a new worker."""
    global _read, _pixels, _rows
    end_with_parent()
    module, _, name = config.reader.partition(":")
    _read = getattr(import_module(module), name)(config.place)
    _pixels = PixelReader(config.preprocess, (config.shape[1], config.shape[2]))
    _rows = np.frombuffer(mmap.mmap(config.memory, 0), np.uint8).reshape(config.shape)


def decode_part(row: int, names: list[str]) -> None:
    """Write the pixels of ``names`` to the shared memory from ``row`` on."""
    for place, (name, data) in enumerate(zip(names, _read(names), strict=True)):
        _rows[row + place] = decode(_pixels, name, data)


def send_results(pending: "SimpleQueue[list[Future[None]]]") -> None:
    """Send the result of each batch in order, once all of its parts are done."""
    while True:
        send(batch_result(pending.get()))


def batch_result(parts: "list[Future[None]]") -> dict[str, Any]:
    """The first error of a batch, by its class in `tasks.schema.errors`. Ends the program where a worker died."""
    try:
        for part in parts:
            part.result()
    except BrokenProcessPool:
        os._exit(1)
    except ProductSearchError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # a defect, passed on with its class
        return {"error": "ProductSearchError", "message": f"{type(error).__name__}: {error}"}
    return {"error": None}


def send(message: dict[str, Any]) -> None:
    """Write one line to the caller."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """Have Linux kill this worker when the host dies; it would wait forever.

    Not usable for the host itself: the signal is sent when the parent's *thread* ends.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
