"""Tasks: the gates of an index and of a release."""

import posixpath
from collections.abc import Sequence

from tasks.orchestration.policies import compute_task, io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.retrieval.config import GateConfig
from tasks.retrieval.golden import GoldenQuery, parse_golden_queries
from tasks.schema.errors import GateRefused
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Gate, GateReport, ReleaseParts
from tasks.sources.shop import open_source
from tasks.stages import gating
from tasks.store.objects.store import open_store

_GOLDEN_BYTES = 1_000_000


@io_task()
def read_golden_queries(config: GateConfig) -> tuple[GoldenQuery, ...]:
    """The user's golden queries, () where no file is named. Raises ConfigError with every bad line, SourceMissing."""
    if config.golden_queries is None:
        return ()
    folder, name = posixpath.split(config.golden_queries)
    return parse_golden_queries(open_source(folder or ".").read(name, _GOLDEN_BYTES), config.golden_queries)


@io_task()
def gate_index(index: ArtifactRef, config: GateConfig = GateConfig()) -> None:  # noqa: B008
    """Check the written files of one index. Raises GateRefused naming every gate that failed."""
    gates = gating.index_gates(open_store(), index, config)
    _show("index-gate", gates, "Gates of the index")
    refused = [str(gate) for gate in gates if not gate.passed]
    if refused:
        raise GateRefused(f"Index {index.id} is refused: {'; '.join(refused)}. Build it again with refresh.")


@compute_task()
def gate_release(
    parts: ReleaseParts,
    channel: str,
    config: GateConfig,
    golden: Sequence[GoldenQuery] = (),
    always_compare: bool = False,
) -> GateReport:
    """Measure every gate of the release that ``parts`` would make, beside the release that ``channel`` serves.

    Refusing is left to `make_release`, which stores the release first.
    """
    gated = gating.gate_release(open_store(), parts, channel, config, golden, always_compare)
    _show("release-gates", gated.report.gates, "Gates of the release")
    if gated.golden_changes:
        show_table("golden-queries", gated.golden_changes, "Golden queries whose answers changed most")
    return gated.report


def _show(key: str, gates: Sequence[Gate], description: str) -> None:
    rows = [
        {
            "gate": gate.name,
            "verdict": "REFUSED" if gate.refuses else gate.verdict,
            "measured": "" if gate.value is None else f"{gate.value:.4g}",
            "limit": gate.limit,
            "found": gate.detail,
        }
        for gate in gates
    ]
    show_table(key, rows, description)
