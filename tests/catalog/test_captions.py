"""Captions: short, without markup, and absent rather than wrong."""

from tasks.catalog.captions import bullet_of, without_brand
from tasks.catalog.listing import Listing
from tasks.schema.tables import CAPTION_KINDS
from tests.catalog.listings import captions_of_one


def captions(**fields: object) -> dict[str, str]:
    values = {"row": 0, "source": "t:1", "item_id": "1", "title": "A title", "image": "a.jpg", **fields}
    return captions_of_one(Listing(**values))  # type: ignore[arg-type]


def test_a_product_with_every_word() -> None:
    found = captions(
        title="Rivet Striped Mug by Rivet", brand="Rivet", product_type="mug", color="Blue", pattern="Striped",
        material="Cotton, Linen", description="Mug • Holds twelve ounces of tea • Dishwasher safe",
    )  # fmt: skip
    assert found == {
        "title": "Rivet Striped Mug by Rivet",
        "title_without_brand": "Striped Mug",
        "attributes": "blue striped cotton mug",
        "color_type": "blue mug",
        "type": "mug",
        "bullet": "Holds twelve ounces of tea",
    }
    assert tuple(found) == CAPTION_KINDS


def test_kinds_are_absent_where_words_are_missing() -> None:
    assert captions() == {"title": "A title"}
    assert captions(color="Blue") == {"title": "A title"}
    assert set(captions(product_type="mug", pattern="Solid")) == {"title", "type"}
    assert captions(product_type="mug", material="Glass")["attributes"] == "glass mug"
    assert "title_without_brand" not in captions(brand="Rivet")


def test_words_are_not_said_twice_and_foreign_ones_not_mixed_in() -> None:
    assert captions(product_type="leather boot", material="Leather", color="Red")["attributes"] == "red leather boot"
    found = captions(product_type="sofa", color="Blau", material="Holz", unspoken=frozenset({"color", "material"}))
    assert set(found) == {"title", "type"}
    assert captions(product_type="rug", material="100% Wool")["attributes"] == "wool rug"


def test_titles_without_their_brand() -> None:
    assert without_brand("Amazon Brand - Stone & Beam Sofa, 78 in", "Stone & Beam") == "Sofa, 78 in"
    assert without_brand("Sofa - Rivet", "Rivet") == "Sofa"
    assert without_brand("Rivet's best sofa (Rivet)", "rivet") == "best sofa"
    assert without_brand("Riveted steel", "Rivet") == ""
    assert without_brand("Rivet 42", "Rivet") == ""
    assert without_brand("Sofa", "") == ""


def test_the_bullet_is_neither_a_word_nor_a_paragraph() -> None:
    assert bullet_of("New • Soft brushed inner side. And more. • x") == "Soft brushed inner side."
    long = " ".join(["word"] * 60)
    assert bullet_of(f"{long}. Short and sweet piece.") == " ".join(["word"] * 24)
    assert bullet_of("") == "" and bullet_of("New") == ""


def test_long_titles_are_cut_between_words() -> None:
    found = captions(title="mug " * 200)["title"]
    assert len(found) <= 300 and found.endswith("mug")
