"""How many workers a cluster has room for, and what each of them gets."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.schema.compute import ComputeConfig
from tasks.schema.errors import ConfigError

_A_HAIR = 1e-6  # three thirds of a GPU are one


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, and what Ray may give away of it (taken or not)."""

    name: str
    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.name} ({self.cpus:g} CPUs, {self.gpus:g} GPUs)"


@dataclass(frozen=True)
class Crew:
    """How many workers there are to be, and the share of a node that each holds."""

    workers: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.workers} worker(s) of {self.cpus} CPU(s) and {self.gpus:g} GPU(s)"

    def room(self, node: Node) -> int:
        """How many such workers an empty node holds."""
        by_cpus = node.cpus / self.cpus
        return int(min(by_cpus, node.gpus / self.gpus if self.gpus else by_cpus) + _A_HAIR)


def choose_crew(nodes: Sequence[Node], config: ComputeConfig) -> Crew:
    """Fill the blanks of ``config`` for these nodes. Raises ConfigError where they could never hold such a crew."""
    gpus = config.gpus_per_worker
    if gpus is None:
        gpus = float(any(node.gpus >= 1 for node in nodes))
    one = Crew(1, config.cpus_per_worker or _share_of_cpus(nodes, gpus), gpus)
    room = sum(one.room(node) for node in nodes)
    wanted = config.workers or 1
    if room < wanted:
        raise ConfigError(
            f"the Ray cluster has room for {room} worker(s) of {one.cpus} CPU(s) and {one.gpus:g} GPU(s), and {wanted} "
            f"must fit; its nodes: {', '.join(map(str, nodes)) or 'none'}. Lower workers, cpus_per_worker or "
            "gpus_per_worker, or add a node: ray start --address=HEAD:6379"
        )
    return Crew(config.workers or room, one.cpus, one.gpus)


def _share_of_cpus(nodes: Sequence[Node], gpus: float) -> int:
    """Cores for each GPU worker of the node that has fewest for them; without GPUs one core."""
    if not gpus:
        return 1
    shares = [node.cpus // int(node.gpus / gpus + _A_HAIR) for node in nodes if node.gpus + _A_HAIR >= gpus]
    return max(1, int(min(shares, default=1)))
