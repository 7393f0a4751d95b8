import numpy as np
import pyarrow as pa
import pytest

from tasks.retrieval.comparison_queries import held_out_titles, short_captions
from tasks.retrieval.config import GateConfig, IndexConfig
from tasks.retrieval.gates import live_recall_gate, overlap_gate
from tasks.retrieval.index import build_index
from tasks.retrieval.search import Searcher
from tasks.retrieval.shared_products import ProductIndex, SharedProducts, top_answers

N, DIM = 400, 32


def unit(array: np.ndarray) -> np.ndarray:
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def served(vectors: np.ndarray, ids: list[str]) -> ProductIndex:
    return ProductIndex(Searcher(build_index(vectors, vectors[:0], IndexConfig(kind="flat")).index), ids)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return unit(np.random.default_rng(0).normal(size=(N, DIM)))


@pytest.fixture(scope="module")
def titles(vectors: np.ndarray) -> np.ndarray:
    """A title near each image, not on it."""
    return unit(vectors + 0.15 * np.random.default_rng(1).normal(size=(N, DIM)))


IDS = [f"item-{row}" for row in range(N)]


def test_new_and_gone_and_hidden_products_and_another_order_change_nothing(vectors, titles) -> None:
    rng = np.random.default_rng(2)
    order = rng.permutation(N)[: N - 15]
    more = unit(rng.normal(size=(15, DIM)))
    new = served(np.concatenate([more, vectors[order]]), [f"new-{row}" for row in range(15)] + [IDS[r] for r in order])
    shared = SharedProducts(served(vectors, IDS), new, IDS, hidden={IDS[order[0]]})
    assert len(shared.ids) == N - 16
    before, after = shared.answers(titles[:50], titles[:50])
    assert before == after
    assert all(len(hits) == 10 for hits in before)
    assert not any(IDS[order[0]] in hits for hits in before)
    assert overlap_gate(shared.overlap(before, after), True, GateConfig()).value == 1


def test_products_that_share_an_image_may_change_places(vectors, titles) -> None:
    same = vectors.copy()
    same[20:40] = vectors[20]
    images = [f"p{20 if 20 <= row < 40 else row}" for row in range(N)]
    back = list(reversed(range(N)))
    shared = SharedProducts(served(same, IDS), served(same[back], IDS[::-1]), images, hidden=set())
    before, after = shared.answers(titles[20:30], titles[20:30])
    assert before[0] != after[0], "twenty copies tie, and each release shows the ten that it lists first"
    assert shared.overlap(before, after).tolist() == [1.0] * 10
    assert shared.finds(after, ["item-20"] * 10).tolist() == shared.finds(before, ["item-39"] * 10).tolist()


def test_a_product_of_the_same_title_is_as_right_an_answer(vectors, titles) -> None:
    shared = SharedProducts(served(vectors, IDS), served(vectors, IDS), IDS, hidden=set())
    answers = [["item-1"], ["item-2"], []]
    wanted = ["item-0", "item-0", "item-0"]
    named = {"item-0": {"title mug"}, "item-1": {"title mug", "design d"}, "item-2": {"design d"}}
    assert shared.finds(answers, wanted, named.__getitem__).tolist() == [True, False, False]
    assert shared.finds(answers, wanted).tolist() == [False, False, False]


def test_one_image_in_place_of_all_is_found_out(vectors, titles) -> None:
    """A shop whose server answers every image with one placeholder."""
    placeholder = np.repeat(vectors[:1], N, axis=0)
    shared = SharedProducts(served(vectors, IDS), served(placeholder, IDS), IDS, hidden=set())
    before, after = shared.answers(titles, titles)
    assert shared.overlap(before, after).mean() < 0.1
    assert not live_recall_gate(shared.finds(before, IDS), shared.finds(after, IDS)).passed


def test_worse_model_is_refused_and_each_side_is_asked_in_its_own_words(vectors, titles) -> None:
    """The other model lives in a space of other width: its vectors never meet those of the live one."""
    rng = np.random.default_rng(3)
    images = unit(rng.normal(size=(N, DIM // 2)))
    good, bad = unit(images + 0.1 * rng.normal(size=images.shape)), unit(rng.normal(size=images.shape))
    shared = SharedProducts(served(vectors, IDS), served(images, IDS), IDS, hidden=set())
    for texts, passed in ((good, True), (bad, False)):
        before, after = shared.answers(titles, texts)
        assert live_recall_gate(shared.finds(before, IDS), shared.finds(after, IDS)).passed is passed


def test_top_answers_leave_out_what_is_hidden(vectors, titles) -> None:
    side = served(vectors, IDS)
    assert top_answers(side, titles[:1])[0][0] == "item-0"
    assert "item-0" not in top_answers(side, titles[:1], hidden={"item-0"})[0]


def test_questions_stay_when_others_come_and_go() -> None:
    def table(start: int, stop: int, title: str = "title") -> pa.Table:
        rows = [
            {
                "item_id": f"item-{row}",
                "split": "test" if row % 2 else "train",
                "title": f"{title} {row}",
                "captions": [("title", f"title {row}"), *([("type", f"type {row % 40}")] if row % 3 else [])],
            }
            for row in range(start, stop)
        ]
        captions = pa.map_(pa.string(), pa.string())
        schema = [("item_id", pa.string()), ("split", pa.string()), ("title", pa.string()), ("captions", captions)]
        return pa.Table.from_pylist(rows, schema=pa.schema(schema))

    live, new = table(0, 1000), table(10, 1010, "renamed")
    shared = {f"item-{row}" for row in range(10, 1000)}
    asked = held_out_titles(live, new, shared, 50)
    assert len(asked) == 50
    assert all(int(item[5:]) % 2 and item in shared for item in asked)
    assert all(title == f"renamed {item[5:]}" for item, title in asked.items())
    later = held_out_titles(new, table(20, 1020), shared, 50)
    assert len(asked.keys() & later.keys()) > 45
    captions = short_captions(live, shared)
    assert len(captions) == len(set(captions)) == 100
    assert {text.split()[0] for text in captions} == {"title", "type"}
    assert held_out_titles(live, new, set(), 50) == {}
    assert short_captions(live, set()) == []
