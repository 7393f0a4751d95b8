"""Tasks: the gates that a release passes before it may go live. The only place where any is measured."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from prefect.logging import get_run_logger

from tasks.catalog.config import CatalogConfig
from tasks.embed import load_encoder
from tasks.orchestration.policies import compute_task, io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.retrieval.config import GateConfig
from tasks.retrieval.golden import GoldenQuery, parse_golden_queries
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, GateRefused, ModelUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Gate, GateReport, Release, ReleaseParts
from tasks.sources.shop import open_source
from tasks.store.artifacts import artifacts
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import live_release
from tasks.store.releases.removals import read_removals

if TYPE_CHECKING:
    from tasks.retrieval.shared import Served

_GOLDEN_BYTES = 1_000_000
_SHOWN_WORST = 20


@io_task(name="read-golden-queries")
def read_golden_queries(config: GateConfig) -> tuple[GoldenQuery, ...]:
    """The user's golden queries, () where no file is named. Raises ConfigError with every bad line, SourceMissing."""
    if config.golden_queries is None:
        return ()
    folder, name = posixpath.split(config.golden_queries)
    return parse_golden_queries(open_source(folder or ".").read(name, _GOLDEN_BYTES), config.golden_queries)


@io_task(name="gate-index")
def gate_index(index: ArtifactRef, config: GateConfig = GateConfig()) -> None:  # noqa: B008
    """Check the written files of one index. Raises GateRefused naming every gate that failed."""
    gates = _index_gates(open_store(), index, config)
    _show("index-gate", gates, "Gates of the index")
    refused = [str(gate) for gate in gates if not gate.passed]
    if refused:
        raise GateRefused(f"Index {index.id} is refused: {'; '.join(refused)}. Build it again with refresh.")


@compute_task(name="gate-release")
def gate_release(
    parts: ReleaseParts,
    channel: str,
    config: GateConfig,
    golden: Sequence[GoldenQuery] = (),
    always_compare: bool = False,
) -> GateReport:
    """Measure every gate of the release that ``parts`` would make, beside the release that ``channel`` serves.

    The live release of another shop is not compared with, unless ``always_compare``. Parts that are live already keep
    the verdicts they have. Refusing is left to `make_release`, which stores the release first.
    """
    store = open_store()
    live = live_release(store, channel)
    if live and live.parts.without_removals() == parts.without_removals():
        return GateReport(parent=live.parent, gates=live.gates)
    gates = [*_index_gates(store, parts.index, config), *_training_gates(store, parts)]
    if all(gate.passed for gate in gates if gate.name in ("rows", "self_test")):  # else opening it may end this process
        new = _open(store, parts.model, parts.index)
        in_force = parts.removals or (live.removals if live else None)
        hidden = frozenset(read_removals(store, in_force)["item_id"].to_pylist())
        gates += _expected_gates(new, golden, hidden)
        if not live:
            gates += _not_compared("nothing is live yet")
        elif not always_compare and not _same_shop(store, live.catalog, parts.catalog):
            gates += _not_compared(f"release {live.id}, which is live, serves another shop")
        else:
            gates += _compare_with(store, live, new, config, golden, hidden)
    _show("release-gates", gates, "Gates of the release")
    return GateReport(parent=live.id if live else None, gates=tuple(gates))


@dataclass(frozen=True)
class _Opened:
    """One release's index, open, with the texts of its products and the model that answers."""

    model: ArtifactRef
    items: pa.Table
    served: "Served"


def _open(store: Store, model: ArtifactRef, index: ArtifactRef) -> _Opened:
    from tasks.retrieval.search import Searcher
    from tasks.retrieval.shared import Served

    search_params = artifacts.load_manifest(store, index).summary["search_params"]
    folder = fetch(store, index, only=["index.faiss", "items.parquet"])
    columns = ["item_id", "split", "title", "captions", "image_sha256"]
    items = fetch_table(store, index, "items.parquet", columns=columns)
    searcher = Searcher.open(folder / "index.faiss", search_params)
    return _Opened(model, items, Served(searcher, items["item_id"].to_pylist()))


def _index_gates(store: Store, index: ArtifactRef, config: GateConfig) -> tuple[Gate, ...]:
    from tasks.retrieval.gates import index_gates
    from tasks.retrieval.self_test import Found, run_in_fresh_process

    manifest = artifacts.load_manifest(store, index)
    try:
        folder = fetch(store, index)
        found = run_in_fresh_process(folder, manifest.summary["search_params"], config.self_test_seconds)
    except (ArtifactCorrupt, ArtifactMissing) as error:
        found = Found(fault=str(error))
    return index_gates(found, manifest.summary, manifest.parameters)


def _training_gates(store: Store, parts: ReleaseParts) -> tuple[Gate, ...]:
    from tasks.retrieval.gates import baseline_gate

    if parts.evaluation is None:
        return ()
    difference = artifacts.load_manifest(store, parts.evaluation).summary.get("difference")
    return (baseline_gate(difference),) if difference else ()


def _expected_gates(new: _Opened, golden: Sequence[GoldenQuery], hidden: frozenset[str]) -> tuple[Gate, ...]:
    """Products that the user's golden queries demand; one that left the catalogue cannot be demanded any more."""
    from tasks.retrieval.gates import expected_gate
    from tasks.retrieval.shared import top_answers

    demanding = [query for query in golden if query.expected]
    if not demanding:
        return ()
    listed = set(new.served.item_ids) - hidden
    vectors = load_encoder(new.model).encode_texts([query.text for query in demanding])
    missed, asked = [], 0
    for query, hits in zip(demanding, top_answers(new.served, vectors, hidden), strict=True):
        wanted = [item for item in query.expected if item in listed]
        asked += len(wanted)
        missed += [f"{query.text} -> {item}" for item in wanted if item not in hits]
    return (expected_gate(missed, asked, sum(len(query.expected) for query in demanding) - asked),)


def _not_compared(why: str) -> tuple[Gate, ...]:
    from tasks.retrieval.gates import not_compared

    return (not_compared(why),)


def _same_shop(store: Store, old: ArtifactRef, new: ArtifactRef) -> bool:
    try:
        manifests = [artifacts.load_manifest(store, catalog) for catalog in (old, new)]
    except (ArtifactCorrupt, ArtifactMissing):
        return True  # nobody can tell: comparing is the safe side
    before, after = (CatalogConfig.model_validate(manifest.parameters) for manifest in manifests)
    return before.same_shop(after)


def _compare_with(
    store: Store,
    release: Release,
    new: _Opened,
    config: GateConfig,
    golden: Sequence[GoldenQuery],
    hidden: frozenset[str],
) -> tuple[Gate, ...]:
    """Both releases asked the same titles and golden queries, each in the words of its own model."""
    from tasks.retrieval.gates import count_gates, live_recall_gate, overlap_gate
    from tasks.retrieval.questions import held_out_titles, short_captions
    from tasks.retrieval.shared import SharedProducts

    try:
        live = _open(store, release.model, release.index)
        load_encoder(live.model)
    except (ArtifactCorrupt, ArtifactMissing, ModelUnavailable) as error:
        # a damaged release must not keep a sound one from taking its place
        get_run_logger().warning("Release %s, which is live, cannot be compared with: %s", release.id, error)
        return _not_compared(f"release {release.id}, which is live, cannot be read: {error}")
    gates = count_gates(live.served.item_ids, new.served.item_ids, hidden, config)
    shared = SharedProducts(live.served, new.served, live.items["image_sha256"].to_pylist(), hidden)
    if not shared.ids:
        return gates
    tests = held_out_titles(live.items, new.items, shared.ids, config.test_queries) if config.compare_recall else {}
    queries = [query.text for query in golden] or short_captions(live.items, shared.ids)
    texts = [*tests.values(), *queries]
    new_vectors = load_encoder(new.model).encode_texts(texts)
    live_vectors = new_vectors if live.model == new.model else load_encoder(live.model).encode_texts(texts)
    before, after = shared.answers(live_vectors, new_vectors)
    if config.compare_recall:
        found = (shared.finds(answers[: len(tests)], list(tests)) for answers in (before, after))
        gates += (live_recall_gate(*found),)
    overlaps = shared.overlap(before[len(tests) :], after[len(tests) :])
    _show_golden(queries, overlaps, before[len(tests) :], after[len(tests) :], new.items)
    return (*gates, overlap_gate(overlaps, live.model == new.model, config))


def _show_golden(
    queries: list[str], overlaps: np.ndarray, before: list[list[str]], after: list[list[str]], items: pa.Table
) -> None:
    titles = dict(zip(items["item_id"].to_pylist(), items["title"].to_pylist(), strict=True))
    rows = [
        {
            "query": queries[row],
            "kept of the first 10": f"{overlaps[row]:.0%}",
            "left": "; ".join(titles[item] for item in before[row] if item not in after[row]),
            "came": "; ".join(titles[item] for item in after[row] if item not in before[row]),
        }
        for row in np.argsort(overlaps, kind="stable")[:_SHOWN_WORST]
    ]
    if rows:
        show_table("golden-queries", rows, "Golden queries whose answers changed most")


def _show(key: str, gates: Sequence[Gate], description: str) -> None:
    rows = [
        {
            "gate": gate.name,
            "verdict": "passed" if gate.passed else "REFUSED",
            "measured": "" if gate.value is None else f"{gate.value:.4g}",
            "limit": gate.limit,
            "found": gate.detail,
        }
        for gate in gates
    ]
    show_table(key, rows, description)
