"""Comparing two releases: what moved is shown, a publish is never delayed, memory holds two at most."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from app.errors import BadRequest, NoRoom, UnknownItem
from app.query.question import Part, Question
from app.query.search import Search
from app.serving import comparison
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.settings import AppSettings
from tasks.schema.errors import ArtifactMissing, ConfigError

if TYPE_CHECKING:
    from tasks.schema.release import Release
    from tests.conftest import TinyShop

RED_MUG = Question((Part("red mug"),), top_k=5)


def looking_at(shop: TinyShop, **settings: float) -> Search:
    chosen = AppSettings(poll_seconds=0.05, device="cpu", **settings)
    live = Live(shop.store, chosen, LastKnownGood(shop.settings.store_cache, chosen.channel))
    live.check()
    return Search(shop.store, live, chosen)


def test_two_models_over_one_shop_are_told_apart(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    publish_next("second", seed=1)
    search = looking_at(own_store)
    found = search.compare(RED_MUG, "first")
    assert (found.before.release, found.after.release) == ("first", "second")
    assert found.after.hits == search.answer(RED_MUG).hits
    places = {moved.hit.product.item_id: moved.hit.rank for moved in found.left}
    for moved in found.right:
        before = places.get(moved.hit.product.item_id)
        if before is None:
            assert moved.change == "new" and moved.by == 0
        else:
            assert moved.by == before - moved.hit.rank
            assert moved.change == ("same" if moved.by == 0 else "up" if moved.by > 0 else "down")
    gone = {moved.hit.product.item_id for moved in found.left if moved.change == "gone"}
    assert gone == set(places) - {moved.hit.product.item_id for moved in found.right}
    assert found.shared == 5 - len(gone) and found.overlap == found.shared / 5


def test_a_product_that_left_is_told_as_gone(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    gone = looking_at(own_store).answer(RED_MUG).hits[0].product.item_id
    publish_next("second", [row for row in own_store.rows() if row["item_id"] != gone])
    found = looking_at(own_store).compare(RED_MUG, "first")
    assert found.left[0].change == "gone"
    assert found.right[-1].change == "new", "the next one moves up into the list"
    assert {moved.by for moved in found.right if moved.change == "up"} == {1}


def test_a_product_taken_down_since_is_not_shown_of_an_older_release_either(own_store: TinyShop) -> None:
    own_store.take_down("red-mug")
    search = looking_at(own_store)
    found = search.compare(Question((Part("red mug"),), top_k=12), "first")
    for side in (found.left, found.right):
        assert len(side) == 11 and "red-mug" not in {moved.hit.product.item_id for moved in side}
    assert found.overlap == 1 and found.before.total == 11


def test_the_live_release_beside_itself_changes_nothing(own_store: TinyShop) -> None:
    search = looking_at(own_store)
    found = search.compare(RED_MUG, "first")
    assert found.overlap == 1 and {moved.change for moved in found.right} == {"same"}
    assert search.live.status().resident == 1, "nothing is loaded twice"


def test_two_releases_are_in_memory_at_most_and_a_publish_gets_the_place(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second")
    publish_next("third")
    search = looking_at(own_store)
    for other in ("first", "second", "first"):
        assert search.compare(RED_MUG, other).before.release == other
        assert search.live.status().resident == 2
    publish_next("fourth")
    search.live.check()
    assert search.answer(RED_MUG).release == "fourth"
    assert search.live.status().resident == 1, "the release compared with gave way"
    assert search.compare(RED_MUG, "third").after.release == "fourth"
    assert search.live.pool.most == 2


def test_a_query_of_the_other_release_holds_a_publish_back_no_longer_than_itself(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second")
    search = looking_at(own_store)
    with search._comparison.hold("first") as (live, other):
        publish_next("third")
        publishing = threading.Thread(target=search.live.check)
        publishing.start()
        publishing.join(timeout=0.5)
        assert publishing.is_alive() and (live.release.id, other.release.id) == ("second", "first")
        with pytest.raises(NoRoom, match=r"few seconds|meanwhile"):
            search.compare(RED_MUG, "first")
        assert search.answer(RED_MUG).release == "second", "queries go on"
    publishing.join(timeout=30)
    assert search.answer(RED_MUG).release == "third" and search.live.pool.most == 2


def test_a_release_compared_with_leaves_when_unused(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    publish_next("second")
    search = looking_at(own_store, compare_idle_seconds=0)
    search.compare(RED_MUG, "first")
    assert search.live.status().resident == 2
    search.live.check()
    assert search.live.status().resident == 1


def test_a_release_to_compare_with_that_does_not_load_leaves_its_place(
    own_store: TinyShop, publish_next: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_next("second")
    search = looking_at(own_store)
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "load_snapshot", lambda *_: (_ for _ in ()).throw(OSError("no memory")))
        with pytest.raises(OSError, match="no memory"):
            search.compare(RED_MUG, "first")
    assert search.live.status().resident == 1
    assert search.compare(RED_MUG, "first").before.release == "first"


@pytest.mark.parametrize(("release", "error"), [("nothing", ArtifactMissing), ("../live/production", ConfigError)])
def test_an_unknown_release_is_told(own_store: TinyShop, release: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="release"):
        looking_at(own_store).compare(RED_MUG, release)


def test_faults_of_the_question_are_told_before_anything_is_loaded(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second")
    search = looking_at(own_store)
    with pytest.raises(BadRequest, match="empty"):
        search.compare(Question((Part(" "),)), "first")
    assert search.live.status().resident == 1
    with pytest.raises(UnknownItem):
        search.compare(Question((Part("no-such", item=True),)), "first")


def test_what_was_live_and_what_never_was_is_listed(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    from datetime import UTC, datetime

    from tasks.store.releases.releases import read_release, write_release

    publish_next("second")
    refused = read_release(own_store.store, "second").model_copy(
        update={"id": "refused", "created_at": datetime.now(UTC), "items": 3}
    )
    write_release(own_store.store, refused)
    history = looking_at(own_store).history
    assert [(one.release.id, one.generation) for one in history.releases()] == [
        ("refused", None),
        ("second", 2),
        ("first", 1),
    ]
    assert [served.pointer.release for served in history.served()] == ["second", "first"]
