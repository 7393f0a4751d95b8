"""Releases made, promoted and refused as plain functions: no Prefect."""

from collections.abc import Callable

import pytest

from tasks.retrieval.config import GateConfig
from tasks.schema.errors import ArtifactMissing, ConfigError, PublishConflict
from tasks.schema.release import Gate, GateReport, Release
from tasks.stages import gating, preparation, releasing, takedown
from tasks.store.artifacts.building import building
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release, write_release
from tasks.store.releases.swap import swap_live
from tests.conftest import TinyShop

REPORT = GateReport(parent="first", gates=(Gate(name="rows", value=12, limit="= 12 products", passed=True),))


def promote(shop: TinyShop, release: str) -> releasing.Swapped:
    return releasing.promote(shop.store, release, shop.channel, "test", None)


def test_what_is_live_moves_once_and_goes_back(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    with pytest.raises(ArtifactMissing, match="first was the first release"):
        releasing.previous_release(own_store.store, own_store.channel)
    publish_next("second")
    assert not promote(own_store, "second").moved
    previous = releasing.previous_release(own_store.store, own_store.channel)
    swapped = promote(own_store, previous)
    assert (previous, swapped.moved, swapped.pointer.release, swapped.pointer.generation) == ("first", True, "first", 3)


def test_a_promoted_release_takes_over_the_removals_in_force(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second")
    down = takedown.remove_items(own_store.store, ["red-mug"], (), own_store.channel, "recall", None)
    assert down.words == "1 taken down (red-mug)" and down.release.items == 11
    swapped = promote(own_store, "first")
    assert swapped.release.id != "first" == swapped.asked.id and swapped.release.items == 11
    with pytest.raises(ConfigError, match="no-such"):
        takedown.remove_items(own_store.store, ["no-such"], (), own_store.channel, "recall", None)


def test_another_publisher_in_between_is_a_conflict(
    own_store: TinyShop, publish_next: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_next("second")
    store, channel, real = own_store.store, own_store.channel, swap_live

    def late(*args: object, **kwargs: object) -> object:
        monkeypatch.setattr(releasing, "swap_live", real)
        real(store, channel, "first", reason="somebody else", run=None, expected=read_live(store, channel))
        return real(*args, **kwargs)  # type: ignore[arg-type]

    publish_next("third")
    monkeypatch.setattr(releasing, "swap_live", late)
    with pytest.raises(PublishConflict):
        promote(own_store, "second")


def test_parts_that_are_live_are_that_release_and_keep_their_verdicts(own_store: TinyShop) -> None:
    store, channel = own_store.store, own_store.channel
    shop = preparation.live_release(store, channel)
    assert shop is not None
    assert releasing.make_release(store, shop.parts, REPORT, channel, "test", None) == (shop, True)
    gated = gating.gate_release(store, shop.parts, channel, GateConfig())
    assert gated.report.gates == shop.gates and not gated.golden_changes


def test_nothing_live_says_what_to_run(empty_store: TinyShop) -> None:
    with pytest.raises(ArtifactMissing, match="run the pipeline once"):
        preparation.read_live_shop(empty_store.store, "production", None, False)


@pytest.mark.parametrize(("channel", "refuses"), [("nothing-live", False), ("production", True)])
def test_poor_recall_warns_where_nothing_is_live_and_refuses_beside_a_live_release(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch, channel: str, refuses: bool
) -> None:
    store = own_store.store
    own_store.name_in(monkeypatch)
    index_gates = [
        Gate(name="rows", value=12, limit="= 12 products", passed=True),
        Gate(name="self_test", value=1, limit=">= 0.98", passed=True),
        Gate(name="recall@10_text", value=0.9, limit=">= 0.98", passed=False, detail="raise nlist"),
    ]
    monkeypatch.setattr(gating, "index_gates", lambda *_: index_gates)
    with building(store, "evaluation", 1, {}, {}) as build:
        (build.folder / "report.html").write_text("")
        build.commit({"difference": {"high": -0.1, "n": 900, "distinct": 300}})
    shop = preparation.live_release(store, own_store.channel)
    assert shop is not None
    parts = shop.parts.model_copy(update={"evaluation": build.ref})
    report = gating.gate_release(store, parts, channel, GateConfig(), always_compare=True).report
    failed = {gate.name: gate for gate in report.gates if not gate.passed}
    assert failed.keys() == {"recall@10_text", "recall@10_against_baseline"}
    assert [gate.refuses for gate in failed.values()] == [refuses, refuses]
    if not refuses:
        assert "nothing is live yet" in str(failed["recall@10_against_baseline"])
        index_gates[1] = index_gates[1].model_copy(update={"passed": False, "value": 0.1})
        report = gating.gate_release(store, parts, channel, GateConfig()).report
        assert [gate.name for gate in report.gates if gate.refuses] == ["self_test"], "a damaged file is never served"


def test_releases_without_notes_are_read_and_ids_are_those_of_before(own_store: TinyShop) -> None:
    assert REPORT.model_dump() == {
        "parent": "first",
        "gates": ({"name": "rows", "value": 12, "limit": "= 12 products", "passed": True, "detail": ""},),
    }
    written = own_store.store.read_json("releases/first.json")
    assert Release.model_validate({name: value for name, value in written.items() if name != "notes"}).notes == ()


def test_notes_outlive_a_removal(own_store: TinyShop) -> None:
    noted = read_release(own_store.store, "first").model_copy(
        update={"id": "noted", "notes": ("no classifier: 1 class",)}
    )
    write_release(own_store.store, noted)
    promote(own_store, "noted")
    down = takedown.remove_items(own_store.store, ["red-mug"], (), own_store.channel, "recall", None)
    assert down.release.notes == noted.notes
