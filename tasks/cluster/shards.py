"""Computes the shards of a stage on worker processes; a shard is retried where its worker dies."""

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from tasks.cluster.connection import present_nodes
from tasks.cluster.worker_plan import WorkerPlan
from tasks.schema.errors import ProductSearchError, TerminalError, TransientError
from tasks.schema.progress import Progress, silent

#: The function a worker calls: shard number and its argument (plain values) to a plain value.
Compute = Callable[[int, Any], Any]

TRIES = 3
_WAIT_SECONDS = 5.0


class ShardWorker:
    """One worker process (a Ray actor). A model it loads stays loaded for the next shard."""

    def __init__(self, plan: WorkerPlan) -> None:
        # Set before torch is imported, which reads it once: otherwise every worker would use all cores of its node.
        os.environ["OMP_NUM_THREADS"] = str(plan.cpus)
        if not plan.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def where(self) -> str:
        """Host and process id; answers once the process runs."""
        return f"{socket.gethostname()}, process {os.getpid()}"

    def compute(self, compute: Compute, shard: int, given: Any) -> Any:
        """Call ``compute`` for one shard."""
        return compute(shard, given)


class ShardRun:
    """Computes ``shards`` shards on the cluster this process is connected to.

    ``compute`` is an importable function or a partial of one with plain values: Ray sends its name, not its code, so
    every node needs the same version installed. ``given(shard)`` returns the shard's argument when it is dispatched.

    A worker gets one shard at a time, and the first only once it runs. If a worker or its node dies, an idle or new
    worker repeats its shard. A shard is tried TRIES times after deaths and TransientErrors; any other error of
    ``compute`` is raised as it is.
    """

    def __init__(
        self, compute: Compute, given: Callable[[int], Any], shards: int, plan: WorkerPlan, progress: Progress = silent
    ) -> None:
        import ray

        self._ray = ray
        self._compute, self._given, self._plan, self._progress = compute, given, plan, progress
        self._shards, self._done = shards, 0
        self._waiting = deque(range(shards))
        self._failures: Counter[int] = Counter()
        self._deaths = 0  # since the last finished shard
        # Ray's reference to a pending answer -> the worker, and its shard (None while it starts)
        self._running: dict[Any, tuple[Any, int | None]] = {}
        self._idle: list[Any] = []
        self._actor = ray.remote(ShardWorker)

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield (shard, what ``compute`` returned), as they finish. Raises TerminalError where workers keep dying."""
        for _ in range(min(self._plan.workers, self._shards)):
            self._await_start(self._start_worker())
        while self._done < self._shards:
            finished = self._await_any()
            self._report()
            if not finished:
                self._require_room()
            for reference in finished:
                worker, shard = self._running.pop(reference)
                value = self._take(reference, worker, shard)
                if value is not None:
                    yield value

    def _await_any(self) -> list[Any]:
        try:
            finished, _ = self._ray.wait(list(self._running), timeout=_WAIT_SECONDS)
            return list(finished)
        except SystemError as error:  # Ray wraps what a signal handler raises: Ctrl-C, a cancelled run
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
        except errors.RayError as error:  # its process or its node died or does not answer
            self._ray.kill(worker)
            self._replace(shard, error)
            return None
        if shard is None:
            self._hand_out(worker)
            return None
        self._done, self._deaths = self._done + 1, 0
        self._hand_out(worker)
        return shard, value

    def _start_worker(self) -> Any:
        resources = {"num_cpus": self._plan.cpus, "num_gpus": self._plan.gpus}
        return self._actor.options(**resources, max_restarts=0).remote(self._plan)

    def _await_start(self, worker: Any) -> None:
        """Call ``where``, whose answer shows that the worker runs and can get a shard."""
        self._running[worker.where.remote()] = (worker, None)

    def _hand_out(self, worker: Any) -> None:
        if self._waiting:
            shard = self._waiting.popleft()
            self._running[worker.compute.remote(self._compute, shard, self._given(shard))] = (worker, shard)
        else:
            self._idle.append(worker)  # it replaces a worker that dies

    def _replace(self, shard: int | None, error: Exception) -> None:
        self._deaths += 1
        lost = TerminalError(f"a worker process was lost {TRIES} times ({str(error).splitlines()[0]}): {_MEMORY}")
        if shard is not None:
            self._try_again(shard, lost)
        elif self._deaths >= TRIES * self._plan.workers:
            raise lost
        if self._waiting:
            self._await_start(self._idle.pop() if self._idle else self._start_worker())

    def _try_again(self, shard: int, error: ProductSearchError) -> None:
        self._failures[shard] += 1
        if self._failures[shard] >= TRIES:
            raise error
        self._waiting.append(shard)

    def _require_room(self) -> None:
        """Raise TransientError if nothing computes and no node could hold a worker: a busy cluster is waited for."""
        computing = any(shard is not None for _, shard in self._running.values())
        if not computing and not any(self._plan.room(node) for node in present_nodes()):
            raise TransientError(
                f"no node of the Ray cluster can hold a worker of {self._plan.cpus} CPU(s) and {self._plan.gpus:g} "
                "GPU(s) any more: bring the nodes back (ray status); what is finished stays stored"
            )

    def _report(self) -> None:
        computing = sum(shard is not None for _, shard in self._running.values())
        starting = len(self._running) - computing
        waiting = f", {starting} starting or waiting for room" if starting else ""
        message = f"{self._done} of {self._shards} shards done, {computing} workers computing{waiting}"
        self._progress(self._done / self._shards, message)


_MEMORY = "its node may lack memory; lower workers, embed.batch_size or embed.decode_threads, or see Ray's logs"
