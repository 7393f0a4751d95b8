"""What a run of garbage collection found and did."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.store.artifacts import embeddings
from tasks.store.garbage.inventory import Inventory, Node
from tasks.store.garbage.shared_objects import shared_folder

Verdict = Literal["kept", "missing", "marked", "waiting", "due", "deleted", "taken back"]
_OPTIONAL = f"{embeddings.FOLDER}/"  # a model may have none


@dataclass(frozen=True)
class Line:
    """What became of one node, or of the shared objects of one folder."""

    path: str
    verdict: Verdict
    why: str
    objects: int
    bytes: int


@dataclass
class Collected:
    """Result of a run. ``lines`` name every node; ``deleted`` counts objects, ``scraps`` remains of dead writers."""

    dry_run: bool
    lines: list[Line] = field(default_factory=list)
    deleted: int = 0
    freed: int = 0
    scraps: int = 0
    finished: bool = True


def report_lines(
    inventory: Inventory, needed: Mapping[str, str], shared: Sequence[Node], verdicts: Mapping[str, Verdict]
) -> Iterator[Line]:
    """A line for each node, each missing part of something needed, and each folder of unneeded ``shared`` objects.

    ``needed``: path -> why. ``verdicts``: path -> verdict, of what is not simply kept.
    """
    for path, node in sorted(inventory.nodes.items()):
        why = needed.get(path, "nothing needs it")
        yield Line(path, verdicts.get(path, "kept"), why, len(node.files), node.bytes)
    for path, why in sorted(needed.items()):
        if path not in inventory.nodes and why.startswith("part of") and not path.startswith(_OPTIONAL):
            yield Line(path, "missing", why, 0, 0)
    counts: Counter[tuple[str, Verdict]] = Counter()
    sizes: Counter[tuple[str, Verdict]] = Counter()
    for node in shared:
        key = (shared_folder(node.path), verdicts[node.path])
        counts[key] += 1
        sizes[key] += node.bytes
    for (folder, verdict), number in sorted(counts.items()):
        yield Line(f"{folder}/...", verdict, "no catalogue wants them", number, sizes[folder, verdict])
