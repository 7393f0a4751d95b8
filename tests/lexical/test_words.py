"""Text becomes words that are equal however a shop or a shopper writes them."""

from __future__ import annotations

import pytest

from tasks.lexical.words import compounds, joined, normalise, runs, spoken, stem


def words(text: str) -> list[str]:
    return [joined(run) for run in runs(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nike Men's T-Shirt", ["nike", "men", "tshirt"]),
        ("Perfume 100 ml", ["perfume", "100ml"]),
        ("Perfume 100ml", ["perfume", "100ml"]),
        ("1,5 L / 1.5l", ["1.5l", "1.5l"]),
        ("H&M L’Oréal", ["hm", "loréal"]),
        ("Galaxy S10 64GB", ["galaxy", "s10", "64gb"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ", ["full", "width"]),
        ("革ベルト red", ["革ベ", "ベル", "ルト", "red"]),
        ("-- ®™ --", ["tm"]),
        ("", []),
    ],
)
def test_one_spelling_of_each_word(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("text", ["Men's  Shoes", "革ベルト red 革", "ﬀ  Ｗ", "Grün"])
def test_a_normalised_text_stays_as_it_is(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_a_run_is_found_by_its_words_too_but_not_by_single_letters_or_units() -> None:
    found = [spoken(run) for run in runs("hand-bag t-shirt 100 ml mug")]
    assert found == [("hand", "bag"), (), ("100",), ()]


def test_neighbours_are_one_word_where_the_shop_writes_them_as_one() -> None:
    linked = compounds(runs("black t shirt"), {"tshirt"}.__contains__)
    assert [joined(run) for run in linked] == ["black", "tshirt"]
    assert (linked[1].start, linked[1].end) == (6, 13)


def test_stems_follow_the_language_and_lose_accents() -> None:
    assert stem("shoes", "english") == stem("shoe", "english")
    assert stem("häuser", "german") == stem("haus", "german") == "haus"
    assert stem("café", "") == "cafe"
    assert stem("501s", "english") == "501s", "a model's number is no plural"
