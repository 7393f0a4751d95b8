"""How many workers a cluster has room for, and the resources of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.schema.compute import ComputeConfig
from tasks.schema.errors import ConfigError

_ROUNDING = 1e-6  # three thirds of a GPU are one


@dataclass(frozen=True)
class Node:
    """One machine of a cluster and its resources in Ray, free or in use."""

    name: str
    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.name} ({self.cpus:g} CPUs, {self.gpus:g} GPUs)"


@dataclass(frozen=True)
class WorkerPlan:
    """The number of workers, and the CPUs and GPUs that each reserves."""

    workers: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.workers} worker(s) of {self.cpus} CPU(s) and {self.gpus:g} GPU(s)"

    def room(self, node: Node) -> int:
        """How many such workers an empty node holds."""
        by_cpus = node.cpus / self.cpus
        return int(min(by_cpus, node.gpus / self.gpus if self.gpus else by_cpus) + _ROUNDING)


def choose_worker_plan(nodes: Sequence[Node], config: ComputeConfig) -> WorkerPlan:
    """Fill the blank fields of ``config`` for these nodes. Raises ConfigError if the workers cannot fit on them."""
    gpus = config.gpus_per_worker
    if gpus is None:
        gpus = float(any(node.gpus >= 1 for node in nodes))
    one = WorkerPlan(1, config.cpus_per_worker or _share_of_cpus(nodes, gpus), gpus)
    room = sum(one.room(node) for node in nodes)
    wanted = config.workers or 1
    if room < wanted:
        raise ConfigError(
            f"the Ray cluster has room for {room} worker(s) of {one.cpus} CPU(s) and {one.gpus:g} GPU(s), and {wanted} "
            f"must fit; its nodes: {', '.join(map(str, nodes)) or 'none'}. Lower workers, cpus_per_worker or "
            "gpus_per_worker, or add a node: ray start --address=HEAD:6379"
        )
    return WorkerPlan(config.workers or room, one.cpus, one.gpus)


def _share_of_cpus(nodes: Sequence[Node], gpus: float) -> int:
    """Cores for each GPU worker on the node with the fewest cores for each; without GPUs one core."""
    if not gpus:
        return 1
    shares = [node.cpus // int(node.gpus / gpus + _ROUNDING) for node in nodes if node.gpus + _ROUNDING >= gpus]
    return max(1, int(min(shares, default=1)))
