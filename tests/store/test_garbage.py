"""Garbage collection step by step: what stays and why, what goes and when, and what a crash leaves behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, BeingCollected, StoreUnavailable
from tasks.schema.release import Pin
from tasks.store.artifacts import claims, embeddings
from tasks.store.artifacts import commit as committing
from tasks.store.artifacts.claims import claim, claim_artifact, claim_if_old, claimed, deletion_path
from tasks.store.artifacts.commit import commit
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.garbage import collector, deletion, inventory_reader, shared_objects
from tasks.store.garbage.collector import MARKS, collect
from tasks.store.garbage.config import GarbageConfig
from tasks.store.garbage.inventory import Inventory
from tasks.store.garbage.inventory_reader import InventoryReader
from tasks.store.garbage.report import Collected
from tasks.store.objects import parallel
from tasks.store.objects.store import Store
from tasks.store.releases import conditional_writes, pins, releases
from tasks.store.releases.pins import delete_pin, write_pin
from tasks.store.releases.reader_leases import delete_lease, write_lease
from tests.store.simulated import Clock, memory_store, serial
from tests.store.small_shop import CHANNEL, go_live, make, missing_of, prepare, release_of, sha

REAL = GarbageConfig(dry_run=False, keep_releases=1)


def use_clock(patch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let the store's rooms read this clock and work without threads."""
    patch.setattr(claims, "datetime", clock)
    patch.setattr(committing, "datetime", clock)
    for module in (collector, deletion):
        patch.setattr(module, "monotonic", clock.monotonic)
    for module in (committing, deletion, embeddings, inventory_reader, parallel, pins, shared_objects):
        patch.setattr(module, "map_ordered", serial)
    conditional_writes._probed.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    use_clock(monkeypatch, clock)
    yield clock
    conditional_writes._probed.clear()


@pytest.fixture
def store(clock: Clock, tmp_path: Path) -> Store:
    return memory_store(clock, tmp_path)


def verdicts(result: Collected) -> dict[str, str]:
    return {line.path: line.verdict for line in result.lines}


def paths(store: Store) -> set[str]:
    made = ("releases", "catalogs", "models", "indexes", "lexical", "evaluations", "embeddings", "images")
    return {info.path for folder in made for info in store.list(folder)}


def dangling(store: Store) -> list[str]:
    """What something that can still be found names, and is gone."""
    found = {path: node for path, node in InventoryReader(store).read().nodes.items() if node.complete}
    names = {name for node in found.values() for name in node.references if not name.startswith("embeddings/")}
    return sorted(names - found.keys())


def three_releases(store: Store, clock: Clock) -> list[str]:
    """Old, previous and live; the old one shares its model with the others and nothing else. All a month old."""
    ids = []
    for shown in ([1, 2], [3, 4], [4, 5]):
        ids.append(release_of(store, shown, weights=9).id)
        go_live(store, ids[-1], "run")
        clock.advance(days=10)
    return ids


def test_what_nothing_needs_is_marked_and_a_grace_later_deleted(store: Store, clock: Clock) -> None:
    old, previous, live_one = three_releases(store, clock)
    before = paths(store)
    first = collect(store, REAL)
    assert paths(store) == before and first.deleted == 0
    marked = {path for path, verdict in verdicts(first).items() if verdict == "marked"}
    assert (
        f"releases/{old}" in marked and len(marked) == 6
    )  # release, catalogue, index, word index, images, shards and plans
    clock.advance(hours=23)
    assert collect(store, REAL).deleted == 0
    clock.advance(hours=2)
    third = collect(store, REAL)
    assert verdicts(third)[f"releases/{old}"] == "deleted" and third.freed > 0 and third.finished
    gone = before - paths(store)
    assert {f"images/{sha(image)[:2]}/{sha(image)}.jpg" for image in (1, 2)} < gone
    assert (
        f"releases/{old}.json" in gone and len(gone) == third.deleted == 1 + 2 + 3 + 3 + 2 + 4
    )  # the shard, and three plans
    assert missing_of(store, previous) == missing_of(store, live_one) == []
    clock.advance(days=30)
    assert verdicts(collect(store, REAL)).keys() == verdicts(third).keys() - {
        path for path, verdict in verdicts(third).items() if verdict == "deleted"
    }
    assert store.list("claims") == [] and store.list("tombstones/deleting") == []


def test_a_dry_run_tells_the_same_and_writes_nothing(store: Store, clock: Clock) -> None:
    three_releases(store, clock)
    before = dict(store.objects.found)  # type: ignore[attr-defined]
    told = collect(store, REAL.model_copy(update={"dry_run": True}))
    assert store.objects.found == before  # type: ignore[attr-defined]
    assert told.lines == collect(store, REAL).lines
    clock.advance(hours=25)
    due = collect(store, GarbageConfig(keep_releases=1))
    assert "due" in verdicts(due).values() and due.deleted == 0 and GarbageConfig().dry_run


def test_every_reason_to_stay(store: Store, clock: Clock) -> None:
    old, previous, live_one = three_releases(store, clock)
    why = {line.path: line.why for line in collect(store, REAL).lines}
    assert why[f"releases/{live_one}"] == f"live on {CHANNEL}"
    assert why[f"releases/{previous}"] == f"a roll-back of {CHANNEL} goes there"
    assert why[f"releases/{old}"] == "nothing needs it"
    clock.advance(hours=25)

    def why_old() -> str:
        (line,) = (line for line in collect(store, REAL).lines if line.path == f"releases/{old}")
        assert line.verdict == "kept" and missing_of(store, old) == []
        return line.why

    write_pin(store, Pin(release=old, reason="compared with"))
    assert why_old() == "pinned"
    delete_pin(store, old)
    write_lease(store, "app-1", [old])
    assert "leases/app-1.json" in why_old()
    delete_lease(store, "app-1")
    claim(store, [f"releases/{old}"])
    assert why_old() == "a run builds upon it"
    clock.advance(days=4)
    assert verdicts(collect(store, REAL))[f"releases/{old}"] == "marked"  # used since it was first marked: a new grace
    assert verdicts(collect(store, REAL.model_copy(update={"keep_releases": 3})))[f"releases/{old}"] == "kept"


def test_a_lease_and_a_claim_end_by_themselves(store: Store, clock: Clock) -> None:
    old, *_ = three_releases(store, clock)
    write_lease(store, "gone", [old])
    for _ in range(5):
        clock.advance(hours=25)
        collect(store, REAL)
    assert missing_of(store, old) == [f"releases/{old}"] and store.list("leases") == []


def test_what_was_never_finished_goes_after_days(store: Store, clock: Clock, tmp_path: Path) -> None:
    release = release_of(store, [1], weights=2)
    go_live(store, release.id, "run")
    store.write_bytes("models/half/weights", b"w")
    store.write_table("catalogs/refused/rejects.parquet", store.read_table(f"{release.catalog}/items.parquet"))
    (tmp_path / "state").write_bytes(b"s")
    for model in ("half", release.model.id):
        commit(
            store, "checkpoint", f"{model}.1", tmp_path, recipe=1, parameters={"model": model, "step": 1}
        )  # fmt: skip
    clock.advance(days=2)
    found = verdicts(collect(store, REAL))
    assert found["models/half"] == found["catalogs/refused"] == found["checkpoints/half.1"] == "kept"
    assert found[f"checkpoints/{release.model.id}.1"] == "marked"  # its training is done
    for _ in range(2):
        clock.advance(days=2)
        collect(store, REAL)
    left = {info.path.split("/")[1] for folder in ("models", "catalogs", "checkpoints") for info in store.list(folder)}
    assert left == {release.model.id, release.catalog.id, prepare(store, [2]).id} and not missing_of(store, release.id)


def test_shards_and_images_of_kept_catalogues_stay(store: Store, clock: Clock) -> None:
    _, previous, live_one = three_releases(store, clock)
    for _ in range(4):
        clock.advance(days=2)
        collect(store, REAL)
    assert {info.path[-68:-4] for info in store.list("images")} == {sha(image) for image in (3, 4, 5, 9)}
    assert missing_of(store, previous) == missing_of(store, live_one) == []


def test_a_budget_is_kept_and_the_next_run_goes_on(store: Store, clock: Clock) -> None:
    old, previous, live_one = three_releases(store, clock)
    small = REAL.model_copy(update={"max_objects": 3})
    collect(store, small)
    counts = []
    for _ in range(8):
        clock.advance(hours=25)
        result = collect(store, small)
        counts.append(result.deleted)
        assert result.finished == (result.deleted < 3 or result.finished)
        assert missing_of(store, previous) == missing_of(store, live_one) == dangling(store) == []
    assert max(counts) == 3 and sum(counts) == 15 and missing_of(store, old) == [f"releases/{old}"]


def test_a_crash_at_any_delete_is_finished_by_the_next_run(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for crash_at in range(12):
        store = memory_store(clock, tmp_path)
        old, previous, live_one = three_releases(store, clock)
        collect(store, REAL)
        clock.advance(hours=25)
        left = crash_at

        def delete(path: str, store: Store = store) -> None:
            nonlocal left
            left -= not path.startswith(("tombstones", "claims"))
            if left < 0:
                raise StoreUnavailable("died here")
            type(store.objects).delete(store.objects, path)  # type: ignore[arg-type]

        with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
            patch.setattr(store.objects, "delete", delete)
            collect(store, REAL)
        assert store.list("tombstones/deleting")
        assert missing_of(store, previous) == missing_of(store, live_one) == dangling(store) == []
        clock.advance(hours=1)
        assert collect(store, REAL).finished and missing_of(store, old) == [f"releases/{old}"]
        assert store.list("tombstones/deleting") == [] and store.read_json(MARKS) == {}


def test_a_publisher_is_refused_during_a_deletion(store: Store, clock: Clock) -> None:
    old, *_ = three_releases(store, clock)
    release = releases.read_release(store, old)
    for path in (f"releases/{old}", "images", release.index.folder, f"embeddings/{release.model.id}"):
        store.write_json(deletion_path(path), {})
        with pytest.raises(BeingCollected, match="collect_garbage"):
            go_live(store, old, "run") if path.startswith("releases") else release_of(store, [1, 2], weights=9)
        store.delete(deletion_path(path))
    store.write_json(deletion_path(f"releases/{old}"), {})
    for refused in (lambda: write_pin(store, Pin(release=old)), lambda: write_lease(store, "app", [old])):
        with pytest.raises(BeingCollected):
            refused()
    assert store.list("pins") == []
    clock.advance(minutes=16)  # whoever announced it is dead
    assert go_live(store, old, "run").release == old


def test_a_slow_collector_stops_before_it_is_taken_for_dead(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *_ = three_releases(store, clock)
    collect(store, REAL)
    clock.advance(hours=25)
    read = InventoryReader.read

    def slow(self: InventoryReader) -> Inventory:
        clock.advance(minutes=6)
        return read(self)

    monkeypatch.setattr(InventoryReader, "read", slow)
    result = collect(store, REAL)
    assert result.deleted == 0 and not result.finished and missing_of(store, old) == []


def test_another_collector_at_work_is_left_alone(store: Store, clock: Clock) -> None:
    old, *_ = three_releases(store, clock)
    collect(store, REAL)
    clock.advance(hours=25)
    store.write_json(deletion_path(f"releases/{old}"), {})
    assert collect(store, REAL).deleted == 0 or missing_of(store, old) == []
    assert store.exists(deletion_path(f"releases/{old}"))


def test_an_incomplete_release_cannot_go_live(store: Store, clock: Clock) -> None:
    old, *_ = three_releases(store, clock)
    index = releases.read_release(store, old).index
    store.delete(f"{index}/manifest.json")
    with pytest.raises(ArtifactMissing, match=f"not complete: {index} missing"):
        go_live(store, old, "run")
    write_pin(store, Pin(release=old))
    assert verdicts(collect(store, REAL.model_copy(update={"dry_run": True})))[str(index)] == "kept"


def test_nothing_is_deleted_while_a_deciding_record_is_damaged(store: Store, clock: Clock) -> None:
    _, previous, _ = three_releases(store, clock)
    collect(store, REAL)
    clock.advance(hours=25)
    before = paths(store)
    for path in (f"releases/{previous}.json", f"live/{CHANNEL}.json", "claims/x.json"):
        data = store.read_bytes(path) if store.exists(path) else None
        store.write_bytes(path, b"{")
        with pytest.raises(ArtifactCorrupt, match=path):
            collect(store, REAL)
        store.write_bytes(path, data) if data else store.delete(path)
    assert paths(store) == before


def test_only_old_artifacts_are_claimed_and_blocks_give_their_claim_back(store: Store, clock: Clock) -> None:
    ref = make(store, "index", {}, 1, {"index.faiss": b"i"})
    manifest = load_manifest(store, ref)
    assert not claim_if_old(store, manifest) and store.list("claims") == []
    clock.advance(hours=13)
    assert claim_artifact(store, ref) == manifest
    (info,) = store.list("claims")
    assert store.read_json(info.path)["paths"] == [str(ref)]
    with pytest.raises(ZeroDivisionError), claimed(store, ["images"]):
        assert len(store.list("claims")) == 2
        raise ZeroDivisionError
    assert len(store.list("claims")) == 1


def test_marks_survive_where_nothing_is_marked(store: Store, clock: Clock) -> None:
    assert collect(store, REAL).lines == [] and not store.exists(MARKS)
