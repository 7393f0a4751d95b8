"""Following the live release: swaps under load, outages, bad releases."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from app.errors import NothingPublished, TakenDown, UnknownItem
from app.page import notices
from app.query.search import Answer, Search
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.status import FollowState
from app.settings import AppSettings
from tasks.schema.errors import StoreUnavailable
from tasks.schema.release import Release
from tasks.store.releases.live import read_live
from tasks.store.releases.swap import swap_live
from tests.app.questions import by_image, by_text, like_item

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SERVED_FILES = {"index.faiss", "items.parquet", "open_clip_model.safetensors"}
SETTINGS = AppSettings(poll_seconds=0.05, device="cpu")


@contextmanager
def following(shop: TinyShop, start: bool = True, settings: AppSettings = SETTINGS) -> Iterator[Search]:
    live = Live(shop.store, settings, LastKnownGood(shop.settings.store_cache, SETTINGS.channel))
    live.check()
    if start:
        live.start()
    try:
        yield Search(shop.store, live, settings)
    finally:
        live.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def served(search: Search) -> str | None:
    snapshot = search.live.status().snapshot
    return snapshot.release.id if snapshot else None


def test_no_query_fails_or_mixes_releases_while_ten_are_published(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    # every release shows the same products under titles that name the release, so a mixed answer would be seen
    faults: list[str] = []
    answers: dict[str, int] = {}
    stop = threading.Event()

    def ranking(answer: Answer) -> list[tuple[str, float]]:
        return [(hit.product.item_id, round(hit.score, 3)) for hit in answer.hits]

    def ask(search: Search, number: int) -> None:
        while not stop.is_set():
            try:
                answer = search.answer(by_text("red mug", 5)) if number % 2 else search.answer(like_item("red-mug", 5))
                if number % 2 and ranking(answer) != expected[int(answer.release[1:]) % 2]:
                    faults.append(f"answer of {answer.release} ranks as another release's model does")
                titles = {hit.product.title.split("|")[0] for hit in answer.hits}
                if titles != {answer.release}:
                    faults.append(f"answer of {answer.release} shows titles of {titles}")
                answers[answer.release] = answers.get(answer.release, 0) + 1
            except Exception as error:
                faults.append(repr(error))

    publish_next("r0", own_store.rows("r0|"))
    with following(own_store) as search:
        expected = {0: ranking(search.answer(by_text("red mug", 5)))}
        publish_next("r1", own_store.rows("r1|"), seed=1)
        wait_for(lambda: served(search) == "r1")
        expected[1] = ranking(search.answer(by_text("red mug", 5)))
        assert expected[0] != expected[1]
        threads = [threading.Thread(target=ask, args=(search, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(2, 12):
            name = f"r{number}"
            rows = own_store.rows(f"{name}|")
            publish_next(name, rows, seed=number % 2)  # the model changes too: vectors of two models must never meet
            wait_for(lambda name=name: served(search) == name)
        wait_for(lambda: answers.get("r11", 0) > 4)
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
        status = search.live.status()
    assert not faults, faults[:5]
    assert len(answers) >= 8, f"queries ran between the swaps: {answers}"
    assert search.live.pool.most <= 2 and status.resident == 1
    assert status.snapshot and status.snapshot.pointer.generation == 13


def test_a_query_keeps_its_release_and_holds_the_third_one_back(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    with following(own_store) as search:
        with search.live.acquire() as held:
            publish_next("second")
            wait_for(lambda: served(search) == "second")
            publish_next("third")
            time.sleep(0.5)
            assert served(search) == "second", "a third release may not be loaded while two are resident"
            assert search.live.status().resident == 2
            assert held.release.id == "first" and len(held.items) == 12
        wait_for(lambda: served(search) == "third")
        assert search.live.pool.most == 2


def test_the_same_model_is_loaded_once(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    with following(own_store, start=False) as search:
        with search.live.acquire() as snapshot:
            first = snapshot.encoder
        publish_next("second")
        search.live.check()
        with search.live.acquire() as snapshot:
            assert snapshot.release.id == "second" and snapshot.encoder is first
        publish_next("third", seed=1)
        search.live.check()
        with search.live.acquire() as snapshot:
            assert snapshot.release.id == "third" and snapshot.encoder is not first


def test_a_release_that_will_not_load_leaves_the_old_one_and_is_named(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    slow = SETTINGS.model_copy(update={"poll_seconds": 60.0})  # so that the pause before the next try is long
    with following(own_store, start=False, settings=slow) as search:
        publish_next("broken")
        index = Path(own_store.settings.store_uri) / "indexes/index-broken/index.faiss"
        damaged = bytearray(index.read_bytes())
        damaged[len(damaged) // 2] ^= 1  # FAISS would load this without an error
        index.write_bytes(damaged)
        search.live.check()
        status = search.live.status()
        assert served(search) == "first" and search.answer(by_text("red mug")).release == "first"
        assert status.refused and status.refused.release == "broken" and status.resident == 1
        before = status.refused.attempts
        search.live.check()
        refused = search.live.status().refused
        assert refused and refused.attempts == before, "a bad release is not tried again at once"
        publish_next("mended")
        search.live.check()
        assert served(search) == "mended" and search.live.status().refused is None


def test_rows_and_vectors_must_agree(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    from tasks.store.artifacts.cache import fetch
    from tasks.store.artifacts.commit import commit
    from tasks.store.artifacts.manifests import load_manifest

    release = publish_next("second")
    manifest = load_manifest(own_store.store, release.index)
    folder = fetch(own_store.store, release.index)
    other = publish_next("third", own_store.rows()[:5])
    mixed = own_store.settings.store_cache / "mixed"
    mixed.mkdir()
    shutil.copy(folder / "index.faiss", mixed)
    shutil.copy(fetch(own_store.store, other.index) / "items.parquet", mixed)
    commit(own_store.store, "index", release.index.id, mixed, recipe=1, summary=manifest.summary)
    before = read_live(own_store.store, "production")
    swap_live(own_store.store, "production", "second", reason="test", run=None, expected=before)
    with following(own_store, start=False) as search:
        refused = search.live.status().refused
        assert served(search) is None and refused and "12 vectors" in refused.reason and "5 products" in refused.reason
        with pytest.raises(NothingPublished, match="cannot be loaded"):
            search.answer(by_text("red mug"))


def test_a_roll_back_is_followed(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    publish_next("second", own_store.rows()[:6])
    with following(own_store, start=False) as search:
        assert served(search) == "second"
        before = read_live(own_store.store, "production")
        swap_live(own_store.store, "production", "first", reason="rollback", run=None, expected=before)
        search.live.check()
        snapshot = search.live.status().snapshot
        assert (
            snapshot
            and snapshot.release.id == "first"
            and snapshot.pointer.generation == 3
            and len(snapshot.items) == 12
        )


def test_an_open_page_keeps_its_images_over_a_swap(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    with following(own_store, start=False) as search:
        shown = search.image_hash("red-mug")
        publish_next("second", [row for row in own_store.rows() if row["item_id"] != "red-mug"])
        search.live.check()
        assert search.image_hash("red-mug", shown=shown) == shown
        with pytest.raises(UnknownItem):
            search.image_hash("red-mug")
        with pytest.raises(UnknownItem):
            search.image_hash("red-mug", shown="0" * 64)
        with pytest.raises(UnknownItem):
            search.answer(like_item("red-mug"))


def test_the_first_release_is_served_without_a_restart(empty_store: TinyShop) -> None:
    with following(empty_store) as search:
        with pytest.raises(NothingPublished, match="No release is live"):
            search.answer(by_text("red mug"))
        empty_store.publish("first")
        wait_for(lambda: served(search) == "first")
        assert len(search.answer(by_text("red mug")).hits) == 12


def unreachable(*_: object, **__: object) -> None:
    raise StoreUnavailable("the object store does not answer")


def test_a_start_without_the_store_serves_the_last_release_and_says_so(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(own_store, start=False):
        pass
    with monkeypatch.context() as broken:
        broken.setattr("app.serving.live.read_live", unreachable)
        live = Live(own_store.store, SETTINGS, LastKnownGood(own_store.settings.store_cache, "production"))
        live.check()
        status = live.status()
        assert status.snapshot and status.snapshot.release.id == "first" and status.stale and status.store_error
        with live.acquire() as snapshot:
            assert snapshot.encoder.encode_texts(["red mug"]).shape == (1, snapshot.searcher.dim)
    live.check()
    assert not live.status().stale, "the store is back"


def test_a_start_without_the_store_serves_no_damaged_file(own_store: TinyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    with following(own_store, start=False):
        pass
    kept = next(own_store.settings.store_cache.glob("indexes/index-first/*/index.faiss"))
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    monkeypatch.setattr("app.serving.live.read_live", unreachable)
    live = Live(own_store.store, SETTINGS, LastKnownGood(own_store.settings.store_cache, "production"))
    live.check()
    assert live.status().snapshot is None
    with pytest.raises(NothingPublished), live.acquire():
        pass


def test_an_outage_while_serving_changes_nothing_but_the_note(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(own_store, start=False) as search:
        monkeypatch.setattr("app.serving.live.read_live", unreachable)
        search.live.check()
        assert search.answer(by_text("red mug")).release == "first"
        assert search.live.status().stale


def test_a_release_with_a_classifier_tells_categories(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second", classifier=own_store.classifier())
    image = Image.open(io.BytesIO(own_store.image("blue", "chair"))).convert("RGB")
    with following(own_store, start=False) as search:
        categories = search.answer(by_image(image)).categories
        assert categories and categories[0].label == "chair" and 0 < categories[0].probability <= 1
        assert search.answer(by_text("blue chair")).categories is None, "words have no category"
        assert search.classify(image, top_k=3).release == "second"


def test_loading_a_snapshot_leaves_queries_answering(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    # I1: a slow load must not be waited for
    with following(own_store, start=False) as search:
        publish_next("second", seed=1)
        loading = threading.Thread(target=search.live.check)
        loading.start()
        answered = 0
        while loading.is_alive():
            search.answer(by_text("red mug", 3))
            answered += 1
        loading.join()
        assert answered > 0 and served(search) == "second"


def shown(search: Search) -> set[str]:
    return {hit.product.item_id for hit in search.answer(by_text("red mug", 50)).hits}


def test_a_product_taken_down_is_nowhere_to_be_seen(own_store: TinyShop) -> None:
    image = Image.open(io.BytesIO(own_store.image("red", "mug"))).convert("RGB")
    with following(own_store, start=False) as search:
        open_page = search.image_hash("red-mug")
        assert search.answer(by_image(image, 1)).hits[0].product.item_id == "red-mug"
        with search.live.acquire() as before:
            release = own_store.take_down("red-mug", "not-in-the-catalogue")
            search.live.check()
        assert served(search) == release.id and release.items == 11
        assert len(shown(search)) == 11 and "red-mug" not in shown(search)
        assert "red-mug" not in {hit.product.item_id for hit in search.answer(by_image(image, 50)).hits}
        assert "red-mug" not in {hit.product.item_id for hit in search.answer(like_item("blue-mug", 50)).hits}
        for refused in (search.product, lambda item: search.answer(like_item(item)), search.image_hash):
            with pytest.raises(TakenDown, match="taken down on"):
                refused("red-mug")
        with pytest.raises(TakenDown):
            search.image_hash("red-mug", shown=open_page)
        with pytest.raises(TakenDown):
            search.product("not-in-the-catalogue")
        with search.live.acquire() as now:
            assert len(now.items) == 11 and now.items.rows == 12
            assert (now.encoder, now.searcher) == (before.encoder, before.searcher), "nothing is opened again"

        own_store.take_down()
        search.live.check()
        assert len(shown(search)) == 12 and search.image_hash("red-mug") == open_page


def test_examples_name_no_product_taken_down(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    publish_next("second", own_store.rows()[:3])
    with following(own_store, start=False) as search:
        with search.live.acquire() as snapshot:
            assert any("mug" in query for query in snapshot.items.sample_queries)
        own_store.take_down("red-mug")
        search.live.check()
        with search.live.acquire() as snapshot:
            assert snapshot.items.sample_queries and not any("mug" in one for one in snapshot.items.sample_queries)


def test_everything_may_be_taken_down(own_store: TinyShop) -> None:
    own_store.take_down(*(row["item_id"] for row in own_store.rows()))
    with following(own_store, start=False) as search:
        assert search.answer(by_text("red mug")).hits == []


def test_a_start_without_the_store_still_hides_what_was_taken_down(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_store.take_down("red-mug")
    with following(own_store, start=False):
        pass
    monkeypatch.setattr("app.serving.live.read_live", unreachable)
    with following(own_store, start=False) as search:
        assert search.live.status().stale and len(shown(search)) == 11


def test_an_artifact_rebuilt_under_its_id_is_opened_again(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    from tasks.store.artifacts.cache import fetch
    from tasks.store.artifacts.commit import commit
    from tasks.store.artifacts.manifests import load_manifest

    release = publish_next("second")
    with following(own_store, start=False) as search:
        other = fetch(own_store.store, publish_next("other", own_store.rows()[:5]).index)
        summary = load_manifest(own_store.store, release.index).summary
        commit(own_store.store, "index", release.index.id, other, recipe=1, summary=summary)
        before = read_live(own_store.store, "production")
        swap_live(own_store.store, "production", "second", reason="test", run=None, expected=before)
        own_store.take_down("red-mug")
        search.live.check()
        assert len(shown(search)) == 4, "the index of that id has five products now"


def silently_flip(path: Path, offset: int = -1) -> None:
    """A bit rots: size, time and inode stay."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[offset] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_local_copy_that_rotted_is_fetched_again(own_store: TinyShop) -> None:
    with following(own_store, start=False) as search:
        expected = search.answer(by_text("red mug")).hits
    copies = [path for path in own_store.settings.store_cache.glob("*/*/*/*") if path.name in SERVED_FILES]
    assert len(copies) >= 3
    for copy in copies:
        silently_flip(copy, copy.stat().st_size // 2)
        rotten = copy.read_bytes()
        with following(own_store, start=False) as search:
            assert search.answer(by_text("red mug")).hits == expected and copy.read_bytes() != rotten


def test_a_damaged_copy_without_the_store_is_reported_and_served_once_mended(
    own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(own_store, start=False):
        pass
    copy = next(own_store.settings.store_cache.glob("indexes/index-first/*/index.faiss"))
    silently_flip(copy)
    monkeypatch.setattr("app.serving.live.read_live", unreachable)
    quick = SETTINGS.model_copy(update={"poll_seconds": 0.01})
    with following(own_store, start=False, settings=quick) as search:
        refused = search.live.status().refused
        assert served(search) is None and refused and "index.faiss" in refused.reason
        with pytest.raises(NothingPublished, match=r"index\.faiss"):
            search.answer(by_text("red mug"))
        silently_flip(copy)
        wait_for(lambda: search.live.check() or served(search) == "first", seconds=10)


def test_a_damaged_pointer_changes_nothing_but_the_note(own_store: TinyShop) -> None:
    pointer = Path(own_store.settings.store_uri) / "live/production.json"
    good = pointer.read_bytes()
    with following(own_store, start=False) as search:
        pointer.write_bytes(good.replace(b'"generation": 1', b'"generation": 9'))
        search.live.check()
        status = search.live.status()
        assert status.store_error and "checksum" in status.store_error and served(search) == "first"
        assert status.stale and "checksum" in notices.foot(status)
        pointer.write_bytes(good)
        search.live.check()
        assert not search.live.status().stale


def test_a_bad_release_waits_longer_each_time_but_never_for_hours() -> None:
    seen = FollowState()
    waits = [seen.refuse("bad", ValueError("x"), poll_seconds=5.0).again_in for _ in range(40)]
    assert waits[0] == pytest.approx(10, abs=1) and waits[1] == pytest.approx(20, abs=1)
    assert max(waits) <= 600 and waits[-1] > 590 and not seen.may_try("bad") and seen.may_try("other")


def test_the_age_of_what_is_served_is_told(own_store: TinyShop) -> None:
    with following(own_store, start=False) as search:
        status = search.live.status()
        assert status.live_seconds is not None and status.live_seconds > 0
        assert status.checked_seconds is not None and 0 <= status.checked_seconds <= status.live_seconds
        assert status.most_resident == 1
