"""How many workers fit a cluster."""

import pytest
from pydantic import ValidationError

from tasks.cluster.worker_plan import Node, WorkerPlan, choose_worker_plan
from tasks.schema.compute import ComputeConfig
from tasks.schema.errors import ConfigError

HEAD, LAPTOP = Node("head", 0, 0), Node("laptop", 4, 0)
BIG, SMALL = Node("big", 64, 8), Node("small", 8, 2)


def ray(**chosen: float) -> ComputeConfig:
    return ComputeConfig.model_validate({"engine": "ray", **chosen})


@pytest.mark.parametrize(
    ("nodes", "chosen", "plan"),
    [
        ([LAPTOP], {}, WorkerPlan(4, 1, 0)),
        ([LAPTOP], {"cpus_per_worker": 3}, WorkerPlan(1, 3, 0)),
        ([LAPTOP], {"workers": 2}, WorkerPlan(2, 1, 0)),
        ([HEAD, LAPTOP, LAPTOP], {}, WorkerPlan(8, 1, 0)),
        ([BIG], {}, WorkerPlan(8, 8, 1)),  # all of the node's cores decode for its GPUs
        ([HEAD, LAPTOP, BIG, SMALL], {}, WorkerPlan(10, 4, 1)),  # the node with fewest cores for a GPU decides
        ([BIG, SMALL], {"gpus_per_worker": 0.5}, WorkerPlan(20, 2, 0.5)),
        ([SMALL], {"gpus_per_worker": 1 / 3}, WorkerPlan(6, 1, 1 / 3)),
        ([BIG], {"gpus_per_worker": 0, "cpus_per_worker": 16}, WorkerPlan(4, 16, 0)),
        ([Node("few cores", 2, 4)], {}, WorkerPlan(2, 1, 1)),
    ],
)
def test_blanks_are_filled_by_what_the_nodes_have(
    nodes: list[Node], chosen: dict[str, float], plan: WorkerPlan
) -> None:
    assert choose_worker_plan(nodes, ray(**chosen)) == plan


@pytest.mark.parametrize(
    ("nodes", "chosen", "found"),
    [
        ([LAPTOP], {"gpus_per_worker": 1}, r"room for 0 .*1 GPU.*laptop \(4 CPUs, 0 GPUs\)"),
        ([LAPTOP, SMALL], {"workers": 3, "gpus_per_worker": 1}, "room for 2 .* and 3 must fit"),
        ([LAPTOP, LAPTOP], {"cpus_per_worker": 5}, "room for 0"),  # not on two nodes at once
        ([HEAD], {}, "room for 0"),
        ([], {}, "nodes: none"),
    ],
)
def test_what_no_node_could_ever_hold_is_refused(nodes: list[Node], chosen: dict[str, float], found: str) -> None:
    with pytest.raises(ConfigError, match=found) as refusal:
        choose_worker_plan(nodes, ray(**chosen))
    assert "ray start --address" in str(refusal.value)


def test_workers_of_the_engine_here_are_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="workers and cpus_per_worker set, but engine is 'here'"):
        ComputeConfig(workers=2, cpus_per_worker=1)
