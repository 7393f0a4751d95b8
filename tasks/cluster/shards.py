"""Drives the shards of a stage over worker processes: each once, again where a worker died, until all are done."""

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from tasks.cluster.connection import present_nodes
from tasks.cluster.worker_plan import Crew
from tasks.schema.errors import ProductSearchError, TerminalError, TransientError
from tasks.schema.progress import Progress, silent

#: What a worker calls: the number of a shard and what belongs to it (plain values) to a plain value.
Compute = Callable[[int, Any], Any]

TRIES = 3
_SECONDS_BETWEEN_LOOKS = 5.0


class ShardWorker:
    """One worker process (a Ray actor). What it loads stays loaded from one shard to the next."""

    def __init__(self, crew: Crew) -> None:
        # Before anything that reads it is imported: workers of one node would else fight over all of its cores.
        os.environ["OMP_NUM_THREADS"] = str(crew.cpus)
        if not crew.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def where(self) -> str:
        """Host and process, once it runs."""
        return f"{socket.gethostname()}, process {os.getpid()}"

    def compute(self, compute: Compute, shard: int, given: Any) -> Any:
        """One shard."""
        return compute(shard, given)


class ShardRun:
    """Computes ``shards`` shards on the cluster this process is connected to.

    ``compute`` is an importable function or a partial of one with plain values: Ray's transport carries its name, not
    its code, so every node has the same version installed. ``given(shard)`` is called when the shard is handed out.

    A shard is only ever handed to a worker that runs already, one at a time. Where the worker or its node dies, an
    idle one or a new one takes the shard: at most that is repeated. TransientError is tried TRIES times too; any
    other error of ``compute`` is raised as it is.
    """

    def __init__(
        self, compute: Compute, given: Callable[[int], Any], shards: int, crew: Crew, progress: Progress = silent
    ) -> None:
        import ray

        self._ray = ray
        self._compute, self._given, self._crew, self._progress = compute, given, crew, progress
        self._shards, self._done = shards, 0
        self._waiting = deque(range(shards))
        self._failures: Counter[int] = Counter()
        self._deaths = 0  # since the last finished shard
        # by what is awaited of it: a worker, and its shard (None: it starts)
        self._running: dict[Any, tuple[Any, int | None]] = {}
        self._idle: list[Any] = []
        self._actor = ray.remote(ShardWorker)

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield (shard, what ``compute`` returned), as they finish. Raises TerminalError where workers keep dying."""
        for _ in range(min(self._crew.workers, self._shards)):
            self._ask(self._hire())
        while self._done < self._shards:
            finished = self._await_any()
            self._tell()
            if not finished:
                self._require_room()
            for reference in finished:
                worker, shard = self._running.pop(reference)
                value = self._take(reference, worker, shard)
                if value is not None:
                    yield value

    def _await_any(self) -> list[Any]:
        try:
            return self._ray.wait(list(self._running), timeout=_SECONDS_BETWEEN_LOOKS)[0]
        except SystemError as error:  # Ray wraps what the handler of a signal raises: Ctrl-C, a cancelled run
            raise error.__cause__ or error from None

    def _take(self, reference: Any, worker: Any, shard: int | None) -> tuple[int, Any] | None:
        errors = self._ray.exceptions
        try:
            value = self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause
            if shard is None or not isinstance(cause, TransientError):
                raise (cause if isinstance(cause, ProductSearchError) else error) from None
            self._try_again(shard, cause)
            self._hand_out(worker)
            return None
        except errors.RayError as error:  # its process or its node is gone, or no longer answers
            self._ray.kill(worker)
            self._replace(shard, error)
            return None
        if shard is None:
            self._hand_out(worker)
            return None
        self._done, self._deaths = self._done + 1, 0
        self._hand_out(worker)
        return shard, value

    def _hire(self) -> Any:
        resources = {"num_cpus": self._crew.cpus, "num_gpus": self._crew.gpus}
        return self._actor.options(**resources, max_restarts=0).remote(self._crew)

    def _ask(self, worker: Any) -> None:
        """Wait for a sign of life, upon which the worker is handed a shard."""
        self._running[worker.where.remote()] = (worker, None)

    def _hand_out(self, worker: Any) -> None:
        if self._waiting:
            shard = self._waiting.popleft()
            self._running[worker.compute.remote(self._compute, shard, self._given(shard))] = (worker, shard)
        else:
            self._idle.append(worker)  # it takes over where another dies

    def _replace(self, shard: int | None, error: Exception) -> None:
        self._deaths += 1
        lost = TerminalError(f"a worker process was lost {TRIES} times ({str(error).splitlines()[0]}): {_MEMORY}")
        if shard is not None:
            self._try_again(shard, lost)
        elif self._deaths >= TRIES * self._crew.workers:
            raise lost
        if self._waiting:
            self._ask(self._idle.pop() if self._idle else self._hire())

    def _try_again(self, shard: int, error: ProductSearchError) -> None:
        self._failures[shard] += 1
        if self._failures[shard] >= TRIES:
            raise error
        self._waiting.append(shard)

    def _require_room(self) -> None:
        """Wait for a busy cluster, but not for one whose nodes are gone."""
        computing = any(shard is not None for _, shard in self._running.values())
        if not computing and not any(self._crew.room(node) for node in present_nodes()):
            raise TransientError(
                f"no node of the Ray cluster can hold a worker of {self._crew.cpus} CPU(s) and {self._crew.gpus:g} "
                "GPU(s) any more: bring the nodes back (ray status); what is finished stays stored"
            )

    def _tell(self) -> None:
        computing = sum(shard is not None for _, shard in self._running.values())
        starting = len(self._running) - computing
        awaited = f", {starting} starting or waiting for room" if starting else ""
        said = f"{self._done} of {self._shards} shards done, {computing} workers computing{awaited}"
        self._progress(self._done / self._shards, said)


_MEMORY = "its node may lack memory; lower workers, embed.batch_size or embed.decode_threads, or see Ray's logs"
