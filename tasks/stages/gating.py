"""The gates that a release passes before it may go live: the only place where any is measured."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tasks.catalog.config import CatalogConfig
from tasks.retrieval.config import GateConfig
from tasks.retrieval.golden import GoldenQuery
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ModelUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Gate, GateReport, Release, ReleaseParts
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.live import live_release
from tasks.store.releases.removals import read_removals

if TYPE_CHECKING:
    from tasks.retrieval.shared_products import ProductIndex

_SHOWN_WORST = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gated:
    """Every gate of a release, and the golden queries whose answers changed most, one row each."""

    report: GateReport
    golden_changes: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Opened:
    """One release's index, open, with the texts of its products and the model that answers."""

    model: ArtifactRef
    items: pa.Table
    served: "ProductIndex"


class _Alike:
    """Products of one title or design: each is as right an answer as the other, and both titles are one query."""

    def __init__(self, items: pa.Table) -> None:
        self._titles, self._groups = items["title"], items["group_id"]
        self._row = {item: row for row, item in enumerate(items["item_id"].to_pylist())}

    def names(self, item: str) -> set[str]:
        """What else may be called so: empty names are nobody's."""
        from tasks.retrieval.metrics import normalise_title

        title, group = self._of(item)
        return {f"{kind} {name}" for kind, name in (("title", normalise_title(title)), ("design", group)) if name}

    def clusters(self, items: list[str]) -> np.ndarray:
        """Code (n,) of each product's title or design."""
        from tasks.retrieval.metrics import equivalent

        named = [self._of(item) for item in items]
        return equivalent([title for title, _ in named], [group for _, group in named])

    def _of(self, item: str) -> tuple[str, str]:
        row = self._row[item]
        return self._titles[row].as_py(), self._groups[row].as_py()


def gate_release(
    store: Store,
    parts: ReleaseParts,
    channel: str,
    config: GateConfig,
    golden: Sequence[GoldenQuery] = (),
    always_compare: bool = False,
) -> Gated:
    """Measure every gate of the release that ``parts`` would make, beside the release that ``channel`` serves.

    The live release of another shop is not compared with, unless ``always_compare``. Parts that are live already keep
    the verdicts they have. With nothing live, recall only warns: a poor first release is better than none.
    """
    from tasks.retrieval.gates import not_compared

    live = live_release(store, channel)
    if live and live.parts.without_removals() == parts.without_removals():
        return Gated(GateReport(parent=live.parent, gates=live.gates))
    gates = [*index_gates(store, parts.index, config), *_training_gates(store, parts)]
    if not live:
        gates = [_as_warning(gate) if gate.name.startswith("recall@") else gate for gate in gates]
    changes: list[dict[str, str]] = []
    if all(gate.passed for gate in gates if gate.name in ("rows", "self_test")):  # else opening it may end this process
        new = _open(store, parts.model, parts.index)
        in_force = parts.removals or (live.removals if live else None)
        hidden = frozenset(read_removals(store, in_force)["item_id"].to_pylist())
        gates += _expected_gates(new, golden, hidden)
        if not live:
            gates.append(not_compared("nothing is live yet"))
        elif not always_compare and not _same_shop(store, live.catalog, parts.catalog):
            gates.append(not_compared(f"release {live.id}, which is live, serves another shop"))
        else:
            compared, changes = _compare_with(store, live, new, config, golden, hidden)
            gates += compared
    return Gated(GateReport(parent=live.id if live else None, gates=tuple(gates)), changes)


def _as_warning(gate: Gate) -> Gate:
    if gate.passed:
        return gate
    why = "nothing is live yet, so the release may go live with this warning"
    return gate.model_copy(update={"warning": True, "detail": f"{gate.detail}; {why}" if gate.detail else why})


def index_gates(store: Store, index: ArtifactRef, config: GateConfig) -> tuple[Gate, ...]:
    """Check the written files of one index, in a process of its own."""
    from tasks.retrieval import gates
    from tasks.retrieval.self_test import SelfTestResult, run_in_fresh_process

    manifest = load_manifest(store, index)
    try:
        folder = fetch(store, index)
        found = run_in_fresh_process(folder, manifest.summary["search_params"], config.self_test_seconds)
    except (ArtifactCorrupt, ArtifactMissing) as error:
        found = SelfTestResult(fault=str(error))
    return gates.index_gates(found, manifest.summary, manifest.parameters)


def _open(store: Store, model: ArtifactRef, index: ArtifactRef) -> _Opened:
    from tasks.retrieval.search import Searcher
    from tasks.retrieval.shared_products import ProductIndex

    search_params = load_manifest(store, index).summary["search_params"]
    folder = fetch(store, index, only=["index.faiss", "items.parquet"])
    columns = ["item_id", "split", "title", "group_id", "captions", "image_sha256"]
    items = fetch_table(store, index, "items.parquet", columns=columns)
    searcher = Searcher.open(folder / "index.faiss", search_params)
    return _Opened(model, items, ProductIndex(searcher, items["item_id"].to_pylist()))


def _training_gates(store: Store, parts: ReleaseParts) -> tuple[Gate, ...]:
    from tasks.retrieval.gates import baseline_gate

    if parts.evaluation is None:
        return ()
    difference = load_manifest(store, parts.evaluation).summary.get("difference")
    return (baseline_gate(difference),) if difference else ()


def _expected_gates(new: _Opened, golden: Sequence[GoldenQuery], hidden: frozenset[str]) -> tuple[Gate, ...]:
    """Products that the user's golden queries demand; one that left the catalogue cannot be demanded any more."""
    from tasks.retrieval.gates import expected_gate
    from tasks.retrieval.shared_products import top_answers

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


def _same_shop(store: Store, old: ArtifactRef, new: ArtifactRef) -> bool:
    try:
        manifests = [load_manifest(store, catalog) for catalog in (old, new)]
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
) -> tuple[tuple[Gate, ...], list[dict[str, str]]]:
    """Both releases asked the same titles and golden queries, each in the words of its own model."""
    from tasks.retrieval.comparison_queries import held_out_titles, short_captions
    from tasks.retrieval.gates import count_gates, live_recall_gate, not_compared, overlap_gate
    from tasks.retrieval.shared_products import SharedProducts

    try:
        live = _open(store, release.model, release.index)
        load_encoder(live.model)
    except (ArtifactCorrupt, ArtifactMissing, ModelUnavailable) as error:
        # a damaged release must not keep a sound one from taking its place
        _log.warning("Release %s, which is live, cannot be compared with: %s", release.id, error)
        return (not_compared(f"release {release.id}, which is live, cannot be read: {error}"),), []
    gates = count_gates(live.served.item_ids, new.served.item_ids, hidden, config)
    shared = SharedProducts(live.served, new.served, live.items["image_sha256"].to_pylist(), hidden)
    if not shared.ids:
        return gates, []
    tests = held_out_titles(live.items, new.items, shared.ids, config.test_queries) if config.compare_recall else {}
    queries = [query.text for query in golden] or short_captions(live.items, shared.ids)
    texts = [*tests.values(), *queries]
    new_vectors = load_encoder(new.model).encode_texts(texts)
    live_vectors = new_vectors if live.model == new.model else load_encoder(live.model).encode_texts(texts)
    before, after = shared.answers(live_vectors, new_vectors)
    if config.compare_recall:
        alike = _Alike(new.items)
        was, now = (shared.finds(answers[: len(tests)], list(tests), alike.names) for answers in (before, after))
        gates += (live_recall_gate(was, now, alike.clusters(list(tests))),)
    before, after = before[len(tests) :], after[len(tests) :]
    overlaps = shared.overlap(before, after)
    changes = _golden_changes(queries, overlaps, before, after, new.items)
    return (*gates, overlap_gate(overlaps, live.model == new.model, config)), changes


def _golden_changes(
    queries: list[str], overlaps: np.ndarray, before: list[list[str]], after: list[list[str]], items: pa.Table
) -> list[dict[str, str]]:
    titles = dict(zip(items["item_id"].to_pylist(), items["title"].to_pylist(), strict=True))
    return [
        {
            "query": queries[row],
            "kept of the first 10": f"{overlaps[row]:.0%}",
            "left": "; ".join(titles[item] for item in before[row] if item not in after[row]),
            "came": "; ".join(titles[item] for item in after[row] if item not in before[row]),
        }
        for row in np.argsort(overlaps, kind="stable")[:_SHOWN_WORST]
    ]
