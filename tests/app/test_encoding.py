"""Queries are encoded together, each by its own release's model, and remembered."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import Busy
from app.metrics import Metrics
from app.query.batcher import DynamicBatcher
from app.query.search import Search
from app.query.vector_cache import VectorCache
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.settings import AppSettings
from tasks.schema.release import Release
from tests.app.questions import by_text, like_item

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=0.05, device="cpu")


class Gate:
    """Stands for an encoder: notes each batch, and waits before the first until it is opened."""

    def __init__(self, name: str, opened: bool = False) -> None:
        self.name, self.batches, self.entered, self.go = name, [], threading.Event(), threading.Event()
        self.threads: set[int] = set()
        if opened:
            self.go.set()

    def encode(self, inputs: list[Any]) -> np.ndarray:
        self.batches.append(list(inputs))
        self.threads.add(threading.get_ident())
        self.entered.set()
        assert self.go.wait(30)
        if "bad" in inputs:
            raise ValueError("a bad input")
        return np.array([[float(len(one))] for one in inputs])


def queued(batches: DynamicBatcher, asked: list[tuple[Gate, list[str]]], first: Gate) -> list[Any]:
    """Results, or errors, of queries that all wait while ``first`` is being encoded."""
    with ThreadPoolExecutor(32) as pool:
        leader = pool.submit(batches.encode, first.encode, ["first"])
        assert first.entered.wait(30)
        futures = []
        for gate, inputs in asked:  # one after another, so that their order is known
            futures.append(pool.submit(batches.encode, gate.encode, inputs))
            wait_for(lambda: len(batches._queue) == len(futures) or futures[-1].done())
        first.go.set()
        leader.result(30)
        return [future.exception(30) or future.result() for future in futures]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_what_waits_is_encoded_together_and_each_gets_its_own() -> None:
    gate = Gate("a")
    results = queued(DynamicBatcher(8, 99, Metrics()), [(gate, ["x"]), (gate, ["xx", "xxx"]), (gate, ["xxxx"])], gate)
    assert gate.batches == [["first"], ["x", "xx", "xxx", "xxxx"]]
    assert [result.tolist() for result in results] == [[[1.0]], [[2.0], [3.0]], [[4.0]]]
    assert len(gate.threads) == 1


def test_two_models_never_share_a_batch_and_the_oldest_goes_first() -> None:
    old, new = Gate("old"), Gate("new", opened=True)
    queued(DynamicBatcher(8, 99, Metrics()), [(new, ["a"]), (old, ["b"]), (new, ["c"]), (old, ["d"])], old)
    assert old.batches == [["first"], ["b", "d"]] and new.batches == [["a", "c"]]


def test_a_batch_has_a_limit_and_a_larger_query_stays_whole() -> None:
    gate = Gate("a")
    queued(
        DynamicBatcher(2, 99, Metrics()), [(gate, ["1", "2", "3"]), (gate, ["4"]), (gate, ["5"]), (gate, ["6"])], gate
    )
    assert gate.batches == [["first"], ["1", "2", "3"], ["4", "5"], ["6"]]


def test_one_querys_fault_is_not_the_others() -> None:
    gate = Gate("a")
    good, bad, fine = queued(DynamicBatcher(8, 99, Metrics()), [(gate, ["x"]), (gate, ["bad"]), (gate, ["xx"])], gate)
    assert good.tolist() == [[1.0]] and fine.tolist() == [[2.0]]
    assert isinstance(bad, ValueError)


def test_a_full_queue_turns_away_at_once_and_goes_on() -> None:
    gate, metrics = Gate("a"), Metrics()
    batches = DynamicBatcher(8, 2, metrics)
    first, second, third = queued(batches, [(gate, ["x"]), (gate, ["xx"]), (gate, ["xxx"])], gate)
    assert first.tolist() == [[1.0]] and second.tolist() == [[2.0]]
    assert isinstance(third, Busy) and third.status == 503
    assert b'refusals_total{reason="queue"} 1.0' in metrics.exposition()
    assert batches.encode(gate.encode, ["xxxxx"]).tolist() == [[5.0]]


def test_an_encoder_is_let_go_once_its_queries_are_answered() -> None:
    gate, batches = Gate("a", opened=True), DynamicBatcher(8, 99, Metrics())
    batches.encode(gate.encode, ["x"])
    gone = weakref.ref(gate)
    del gate

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    wait_for(is_gone)


def test_vectors_keep_the_latest_used() -> None:
    vectors, keys = VectorCache(2), [(Path("m"), "text", word) for word in "abc"]
    for key in keys[:2]:
        vectors.put({key: np.zeros(2)})
    assert list(vectors.get([keys[0]])) == [keys[0]]  # now "b" is the longest unused
    vectors.put({keys[2]: np.ones(2)})
    assert set(vectors.get(keys)) == {keys[0], keys[2]} and len(vectors) == 2


def test_a_cached_vector_does_not_keep_its_batch() -> None:
    vectors, batch, key = VectorCache(9), np.zeros((1000, 8)), (Path("m"), "text", "a")
    vectors.put({key: batch[3]})
    assert vectors.get([key])[key].base is None


# Over real releases


def following(shop: TinyShop) -> tuple[Search, Metrics]:
    live = Live(shop.store, SETTINGS, LastKnownGood(shop.settings.store_cache, SETTINGS.channel))
    live.check()
    metrics = Metrics()
    return Search(shop.store, live, SETTINGS, metrics), metrics


def count(metrics: Metrics, kind: str, result: str) -> float:
    labels = {"kind": kind, "result": result}
    return metrics.registry.get_sample_value("product_search_vector_cache_total", labels) or 0.0


def test_a_query_asked_again_is_not_encoded_again_and_answers_alike(tiny_store: TinyShop) -> None:
    search, metrics = following(tiny_store)
    first, again = search.answer(by_text("a red mug")), search.answer(by_text("a  red mug "))
    assert first.hits == again.hits
    assert (count(metrics, "text", "miss"), count(metrics, "text", "hit")) == (1, 1)
    alike = search.answer(like_item("red-mug")), search.answer(like_item("red-mug"))
    assert alike[0].hits == alike[1].hits
    assert (count(metrics, "product", "miss"), count(metrics, "product", "hit")) == (1, 1)


def test_the_same_words_twice_in_a_batch_are_encoded_once(tiny_store: TinyShop) -> None:
    search, metrics = following(tiny_store)
    with search.live.acquire() as snapshot:
        vectors = search._encoding.texts(snapshot, ["mug", "lamp", "mug"])
        np.testing.assert_allclose(vectors, snapshot.encoder.encode_texts(["mug", "lamp", "mug"]), atol=1e-5)
    assert count(metrics, "text", "miss") == 2


def test_a_release_with_the_same_model_finds_what_is_known_and_another_model_does_not(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    search, metrics = following(own_store)
    search.answer(by_text("blue chair"))
    publish_next("same-model", rows=own_store.rows("new "))
    search.live.check()
    assert search.answer(by_text("blue chair")).release == "same-model"
    assert (count(metrics, "text", "miss"), count(metrics, "text", "hit")) == (1, 1)
    publish_next("other-model", seed=1)
    search.live.check()
    assert search.answer(by_text("blue chair")).release == "other-model"
    assert count(metrics, "text", "miss") == 2
    with search.live.acquire() as snapshot:
        known = search._encoding.texts(snapshot, ["blue chair"])
        np.testing.assert_allclose(known, snapshot.encoder.encode_texts(["blue chair"]), atol=1e-5)


def test_many_at_once_get_what_each_would_get_alone(tiny_store: TinyShop) -> None:
    search, metrics = following(tiny_store)
    asked = [
        f"{color} {shape} {number}" for color in ("red", "blue") for shape in ("mug", "lamp") for number in range(8)
    ]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(search.answer, map(by_text, asked)))
    alone, _ = following(tiny_store)
    for words, answer in zip(asked, together, strict=True):
        by_itself = alone.answer(by_text(words))
        assert [hit.product.item_id for hit in answer.hits] == [hit.product.item_id for hit in by_itself.hits]
        np.testing.assert_allclose([hit.score for hit in answer.hits], [hit.score for hit in by_itself.hits], atol=2e-4)
    batches = metrics.registry.get_sample_value("product_search_batch_size_count")
    assert batches and batches < len(asked)
