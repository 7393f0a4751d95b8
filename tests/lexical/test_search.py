"""What a search by words finds, and how it reads a query."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks.lexical.config import FieldWeights, LexicalConfig
from tasks.lexical.index import index_words, open_words, save_words
from tasks.lexical.search import LexicalSearcher
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError
from tasks.schema.tables import ITEMS
from tests.conftest import item

#: title, brand, product type, colour, gender
SHOP = [
    ("Puma Men Blue Tshirt", "Puma", "tshirt", "Blue", "Men"),
    ("Puma Women Blue T-shirt", "Puma", "tshirt", "Blue", "Women"),
    ("Puma Men Navy Blue T shirt", "Puma", "tshirt", "Navy Blue", "Men"),
    ("Arrow Men Blue Shirt", "Arrow", "shirt", "Blue", "Men"),
    ("Puma Unisex Black Cap", "Puma", "cap", "Black", "Unisex"),
    ("Arrow Women Black Hand Bag", "Arrow", "handbag", "Black", "Women"),
    ("Arrow Women Brown Handbag", "Arrow", "handbag", "Brown", "Women"),
    ("Arrow Women Red Handbag 2", "Arrow", "handbag", "Red", "Women"),
    ("Playboy Men Perfume 100 ml", "Playboy", "perfume", "", "Men"),
    ("Playboy Men Perfume 50ml", "Playboy", "perfume", "", "Men"),
    ("Foundation and Primer Set", "Lakme", "foundation or primer", "", "Women"),
]
NAMES = [title for title, *_ in SHOP]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=ITEMS)


def shop() -> pa.Table:
    return table(
        [
            item("red", "mug")
            | {"item_id": f"SKU-{at}", "title": title, "brand": brand, "product_type": kind, "color": color}
            | {"category": f"Fashion/{kind}s", "attributes": {"gender": gender, "EAN": f"40063813339{at:02}"}}
            for at, (title, brand, kind, color, gender) in enumerate(SHOP)
        ]
    )


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> LexicalSearcher:
    folder = tmp_path_factory.mktemp("lexical")
    save_words(index_words(shop(), LexicalConfig()), folder)
    return LexicalSearcher.open(folder)


def rows_of(searcher: LexicalSearcher, text: str, top_k: int = 10) -> list[int]:
    rows: list[int] = searcher.match(text).best(top_k)[1].tolist()
    return rows


def found(searcher: LexicalSearcher, text: str, top_k: int = 10) -> list[str]:
    return [NAMES[row] for row in rows_of(searcher, text, top_k)]


@pytest.mark.parametrize("text", ["tshirt", "t-shirt", "T Shirts", "t-shirts"])
def test_every_spelling_of_a_compound_finds_all_of_them(searcher: LexicalSearcher, text: str) -> None:
    assert set(found(searcher, text)) == set(NAMES[:3])


def test_a_hand_bag_is_a_handbag_and_a_bag(searcher: LexicalSearcher) -> None:
    assert set(found(searcher, "handbag")) == set(found(searcher, "hand bag")) == set(NAMES[5:8])
    assert found(searcher, "bag") == [NAMES[5]]


def test_a_shirt_is_no_tshirt(searcher: LexicalSearcher) -> None:
    assert found(searcher, "shirt") == [NAMES[3]]


def test_a_whole_value_comes_before_a_part_of_one(searcher: LexicalSearcher) -> None:
    assert set(found(searcher, "blue tshirt", 2)) == set(NAMES[:2])
    assert found(searcher, "navy blue tshirt", 1) == [NAMES[2]]


def test_products_with_every_word_come_first(searcher: LexicalSearcher) -> None:
    assert found(searcher, "women blue tshirt", 1) == [NAMES[1]]
    assert found(searcher, "puma caps", 1) == [NAMES[4]]


def test_numbers_keep_their_units(searcher: LexicalSearcher) -> None:
    assert found(searcher, "perfume 50 ml", 1) == [NAMES[9]]
    assert found(searcher, "perfume 100ml", 1) == [NAMES[8]]


def test_words_that_say_nothing_cost_nothing(searcher: LexicalSearcher) -> None:
    assert found(searcher, "a cap for the puma", 1) == [NAMES[4]]
    assert found(searcher, "foundation or primer", 1) == [NAMES[10]]


@pytest.mark.parametrize("text", ["SKU-4", "sku4", " sku 4 ", "4006381333904"])
def test_an_id_finds_its_product_first(searcher: LexicalSearcher, text: str) -> None:
    assert found(searcher, text, 1) == [NAMES[4]]
    match = searcher.match(text)
    assert match.corrected is None and match.unknown == () and np.isfinite(match.scores).all()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pmua cap", "puma cap"),
        ("blue tshrit", "blue tshirt"),
        ("handbg", "handbag"),
        ("bluetshirt", "blue tshirt"),
        ("Plaiboy perfume!", "playboy perfume!"),
    ],
)
def test_a_typo_is_mended_and_told(typed: str, meant: str) -> None:
    searcher = LexicalSearcher(index_words(pa.concat_tables([shop()] * 4), LexicalConfig()))
    assert searcher.match(typed).corrected == meant
    assert rows_of(searcher, typed) == rows_of(searcher, meant)


def test_the_other_words_of_a_query_choose_among_corrections() -> None:
    rows = [
        item("red", "mug", title=f"Nora {one}", brand="Nora", product_type="") for one in ["bolt"] * 9 + ["belt"] * 3
    ]
    rows += [item("red", "mug", title="Acme leather belt", brand="", product_type="") for _ in range(3)]
    searcher = LexicalSearcher(index_words(table(rows), LexicalConfig()))
    assert searcher.match("leather bilt").corrected == "leather belt"
    assert searcher.match("nora bilt").corrected == "nora bolt"


def test_a_far_fetched_correction_needs_the_other_words(searcher: LexicalSearcher) -> None:
    assert searcher.match("uma cap").corrected == "puma cap"
    assert searcher.match("uma").corrected is None, "three letters, the first of them wrong"
    assert searcher.match("willow").corrected is None


@pytest.mark.parametrize("text", ["caps", "puma 501s", "tshirt2", "hi", "handbags"])
def test_other_forms_numbers_and_short_words_are_no_typos(searcher: LexicalSearcher, text: str) -> None:
    assert searcher.match(text).corrected is None


def test_what_the_shop_does_not_have_is_told_and_finds_nothing(searcher: LexicalSearcher) -> None:
    match = searcher.match("wheelbarrow")
    assert not match.found.any() and (match.corrected, match.unknown) == (None, ("wheelbarrow",))


@pytest.mark.parametrize("text", ["", "   ", "!?", "=", "color=blue", "\ud800", "x" * 10_000, "a " * 5_000, "İ", "½"])
def test_any_text_is_answered(searcher: LexicalSearcher, text: str) -> None:
    assert searcher.match(text).scores.shape == (len(SHOP),)


def test_a_filter_leaves_only_its_rows(searcher: LexicalSearcher) -> None:
    allowed = np.zeros(len(SHOP), np.bool_)
    allowed[[2, 3]] = True
    scores, rows = searcher.match("blue tshirt").best(5, allowed)
    assert rows.tolist() == [2, 3] and (scores[:-1] >= scores[1:]).all()
    assert not len(searcher.match("SKU-4").best(5, allowed)[1])
    with pytest.raises(ConfigError, match="expected bool of"):
        searcher.match("cap").best(5, allowed[:3])
    with pytest.raises(ConfigError, match="top_k=0"):
        searcher.match("cap").best(0)


def test_stems_follow_the_language_of_each_row() -> None:
    rows = [item("red", "mug", title="Rote Schuhe", language="de-DE"), item("red", "mug", title="Red shoes")]
    searcher = LexicalSearcher(index_words(table(rows), LexicalConfig()))
    assert rows_of(searcher, "schuh") == [0]
    assert rows_of(searcher, "shoe") == [1]


def test_equal_scores_are_in_the_order_of_rows() -> None:
    searcher = LexicalSearcher(index_words(table([item("red", "mug")] * 7), LexicalConfig()))
    assert rows_of(searcher, "mug", 5) == [0, 1, 2, 3, 4]


def test_a_field_without_weight_is_not_searched() -> None:
    config = LexicalConfig(weights=FieldWeights(brand=0), value_weight=0)
    assert not rows_of(LexicalSearcher(index_words(shop(), config)), "lakme")


def test_an_index_without_a_word_is_refused() -> None:
    empty = FieldWeights(**dict.fromkeys(FieldWeights.model_fields, 0))
    with pytest.raises(ConfigError, match="at least one field"):
        index_words(shop(), LexicalConfig(weights=empty))


def test_the_same_items_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_words(index_words(shop(), LexicalConfig()), tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert {Path(name).suffix for name in one} == {".npy", ".json", ".parquet"}


@pytest.mark.parametrize(
    "name", ["lexical.json", "vocab.index.json", "words.parquet", "data.csc.index.npy", "names.npy"]
)
def test_a_broken_file_is_told(tmp_path: Path, name: str) -> None:
    save_words(index_words(shop(), LexicalConfig()), tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ArtifactCorrupt, match="fetch it again"):
        open_words(tmp_path)
    with pytest.raises(ArtifactMissing, match="no word index"):
        open_words(tmp_path / "nowhere")


def test_threads_share_a_searcher(searcher: LexicalSearcher) -> None:
    texts = ["puma cap", "pmua cap", "blue tshirt", "hand bag"] * 20
    alone = [rows_of(searcher, text) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(partial(rows_of, searcher), texts)) == alone
