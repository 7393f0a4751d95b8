"""An ABO export: languages, marketplaces, browse nodes, and lines that are broken."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.catalog import subset
from tasks.catalog.abo import read_abo
from tasks.catalog.categories import node_path
from tasks.catalog.config import CatalogConfig
from tasks.catalog.groups import designs_of
from tasks.catalog.listing import Listing, SourceRows, listings_table
from tasks.schema.errors import CatalogError
from tasks.sources.shop import open_source
from tests.catalog.listings import listings_of


def tagged(value: str, language: str = "en_US", **more: Any) -> list[dict[str, Any]]:
    return [{"language_tag": language, "value": value, **more}]


def entry(item_id: str, title: str = "Blue Mug", language: str = "en_US", **more: Any) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "item_name": tagged(title, language),
        "product_type": [{"value": "DRINKING_CUP"}],
        "main_image_id": "img1",
        "domain_name": "amazon.com",
        "node": [{"node_id": 1, "node_name": "/Categories/Home & Kitchen/Drinkware/Mugs"}],
        **more,
    }


def export(folder: Path, *shards: list[dict[str, Any] | bytes]) -> Path:
    """Write shards of entries, or of raw bytes, as the bucket lays them out."""
    (folder / "listings/metadata").mkdir(parents=True)
    (folder / "images/metadata").mkdir(parents=True)
    for at, shard in enumerate(shards):
        lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in shard]
        (folder / f"listings/metadata/listings_{at}.json.gz").write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    rows = "image_id,height,width,path\nimg1,10,10,aa/img1.jpg\nimg2,10,10,bb/img2.png\nout,1,1,../../../out.jpg\n"
    (folder / "images/metadata/images.csv.gz").write_bytes(gzip.compress(rows.encode()))
    return folder


def read(folder: Path, **parameters: Any) -> SourceRows:
    return read_abo(CatalogConfig(source=str(folder), **parameters), open_source(str(folder)))


def choose_subset(listings: list[Listing], *chosen: Any) -> list[Listing]:
    return listings_of(subset.choose_subset(listings_table(listings), *chosen))


def test_every_field_is_taken(tmp_path: Path) -> None:
    full = entry(
        "B01",
        brand=tagged("Rivet"),
        bullet_point=[*tagged("Made of <b>stoneware</b>"), *tagged("Aus Steingut", "de_DE"), *tagged("Holds 12 oz")],
        color=tagged("Midnight", standardized_values=["Blue"]),
        material=tagged("Stoneware"),
        pattern=tagged("Striped"),
        style=tagged("Modern"),
        model_name=tagged("Otis"),
        country="US",
    )
    [found] = listings_of(read(export(tmp_path, [full])).listings)
    assert found.title == "Blue Mug" and found.language == "en-US" and found.brand == "Rivet"
    assert found.description == "Made of stoneware • Holds 12 oz"
    assert (found.color, found.material, found.pattern, found.product_type) == ("Blue", "Stoneware", "Striped", "cup")
    assert found.category == ("Home & Kitchen", "Drinkware", "Mugs") and found.category_l1 == "Home & Kitchen"
    assert found.image == "images/small/aa/img1.jpg"
    assert found.attributes["style"] == "Modern" and found.attributes["color_name"] == "Midnight"
    assert listings_of(read(tmp_path, abo_images="original").listings)[0].image == "images/original/aa/img1.jpg"


def test_the_preferred_language_is_taken_in_a_line_and_among_lines(tmp_path: Path) -> None:
    both = entry("B01", item_name=[*tagged("Tasse", "de_DE"), *tagged("Mug", "en_GB"), *tagged("Cup", "en_IN")])
    abroad = entry("B02", "Schale", "de_DE", domain_name="amazon.de")
    home = entry("B02", "Bowl", "en_IN", domain_name="amazon.in")
    only = entry("B03", "Teller", "de_DE", domain_name="amazon.de")
    folder = export(tmp_path, [both, abroad], [home, only])
    found = read(folder)
    assert {one.item_id: (one.title, one.language) for one in listings_of(found.listings)} == {
        "B01": ("Mug", "en-GB"), "B02": ("Bowl", "en-IN"), "B03": ("Teller", "de-DE"),
    }  # fmt: skip
    assert found.facts["folded_marketplaces"] == 1 and found.rejects == []
    german = read(folder, languages=("de_*",))
    assert [one.title for one in listings_of(german.listings)] == ["Tasse", "Schale", "Teller"]


def test_the_same_id_for_another_product_is_a_repetition(tmp_path: Path) -> None:
    other = entry("B01", "Rug", domain_name="amazon.in", product_type=[{"value": "RUG"}], main_image_id="img2")
    found = read(export(tmp_path, [entry("B01"), other]))
    assert [(reject.row, reject.reason) for reject in found.rejects] == [(1, "duplicate_id")]
    assert found.facts["folded_marketplaces"] == 0


def test_a_line_without_image_does_not_hide_a_whole_one(tmp_path: Path) -> None:
    bare = entry("B01", domain_name="amazon.co.uk", main_image_id=None)
    whole = entry("B01", "Tasse", "de_DE", domain_name="amazon.de")
    assert [one.title for one in listings_of(read(export(tmp_path, [bare, whole])).listings)] == ["Tasse"]


def test_broken_lines_are_named_at_their_place(tmp_path: Path) -> None:
    no_image = entry("B03")
    del no_image["main_image_id"]
    first: list[dict[str, Any] | bytes] = [entry("B01"), b'{"item_id": "B02"', entry("B01"), no_image, b"[1]"]
    second: list[dict[str, Any] | bytes] = [
        entry("B04", "  "), entry("B05", main_image_id="nobody"), entry(""), b'{"item_id": "B\xff"}',
        entry("B06", main_image_id="out"), entry("B07"),
    ]  # fmt: skip
    found = read(export(tmp_path, first, second))
    assert sorted((reject.row, reject.reason) for reject in found.rejects) == [
        (1, "malformed_row"), (2, "duplicate_id"), (3, "missing_picture"), (4, "malformed_row"), (5, "missing_title"),
        (6, "picture_not_found"), (7, "missing_id"), (8, "not_utf8"), (9, "picture_outside_root"),
    ]  # fmt: skip
    assert [one.item_id for one in listings_of(found.listings)] == ["B01", "B07"]
    assert found.rows == 11
    assert {reject.source for reject in found.rejects if reject.row == 5} == {"listings/metadata/listings_1.json.gz:1"}


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["/Categories/Furniture/Sofas"], ("Furniture", "Sofas")),
        (["/Departments/Home & Kitchen/Rugs"], ("Home & Kitchen", "Rugs")),
        (["/Categories"], ()),
        (["/Self Service/Special Features Stores/x", "/Categories/Shoes"], ("Shoes",)),
        (["/Featured/Stores/Rivet"], ()),
        (["/Arborist Merchandising Root/6358543011/Categories/Lamps"], ("Lamps",)),
        (["/Kategorien/Schuhe/Damen"], ("Schuhe", "Damen")),
        ([], ()),
    ],
)  # fmt: skip
def test_browse_nodes(names: list[str], path: tuple[str, ...]) -> None:
    assert node_path([{"node_id": 1, "node_name": name} for name in names]) == path


def test_no_class_is_empty_and_foreign_trees_take_the_usual_class(tmp_path: Path) -> None:
    abroad = entry("B02", "Tasse", "de_DE", node=[{"node_name": "/Kategorien/Küche/Tassen"}])
    nowhere = entry("B03", node=None)
    odd = entry("B04", product_type=[{"value": "RUG"}], node=[{"node_name": "/Categories"}])
    found = listings_of(read(export(tmp_path, [entry("B01"), abroad, nowhere, odd])).listings)
    assert [one.category_l1 for one in found] == ["Home & Kitchen", "Home & Kitchen", "Home & Kitchen", "rug"]
    assert listings_of(read(tmp_path, category_level=2).listings)[0].category_l1 == "Home & Kitchen/Drinkware"


def test_variants_share_a_group_by_model_or_by_title(tmp_path: Path) -> None:
    model: dict[str, Any] = {"model_name": tagged("Otis"), "brand": tagged("Rivet")}
    phone: dict[str, Any] = {"model_name": tagged("iPhone 6"), "product_type": [{"value": "CELLULAR_PHONE_CASE"}]}
    entries = [
        entry("B1", "Otis Mug, Navy", **model), entry("B2", "A cup in red by Rivet", **model),
        entry("B3", "Mug Navy"), entry("B4", "Mug Red"),
        entry("B5", "Rose case", **phone), entry("B6", "Tiger case", **phone),
    ]  # fmt: skip
    groups = designs_of(read(export(tmp_path, entries)).listings)  # type: ignore[arg-type]
    assert groups[0] == groups[1] and groups[2] == groups[3]
    assert len(set(groups)) == 4  # a case for the same phone is not the same design


def test_what_is_no_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no ABO export"):
        read(tmp_path)
    (export(tmp_path, [entry("B01")]) / "images/metadata/images.csv.gz").unlink()
    with pytest.raises(CatalogError, match=r"images\.csv\.gz"):
        read(tmp_path)
    (tmp_path / "listings/metadata/listings_0.json.gz").write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(CatalogError, match="not a whole gzip"):
        read(tmp_path)


def test_a_subset_is_in_proportion_and_keeps_its_picks(tmp_path: Path) -> None:
    def shop(count: int) -> list[Any]:
        kinds = ["Lamps"] * 6 + ["Rugs"] * 3 + ["Clocks"]
        nodes = [[{"node_name": f"/Categories/{kinds[n % 10]}"}] for n in range(count)]
        return [entry(f"B{n:04}", f"Thing {chr(97 + n % 26) * (n // 26 + 1)}", node=nodes[n]) for n in range(count)]

    small = listings_of(read(export(tmp_path / "a", shop(500))).listings)
    large = listings_of(read(export(tmp_path / "b", shop(520))).listings)
    picked = choose_subset(small, 50, "s")
    counts = [sum(one.category_l1 == name for one in picked) for name in ("Lamps", "Rugs", "Clocks")]
    assert counts == [30, 15, 5]
    assert picked == choose_subset(small[::-1], 50, "s")[::-1]
    before = {one.item_id for one in picked}
    assert len(before & {one.item_id for one in choose_subset(large, 50, "s")}) >= 42
    assert before == {one.item_id for one in choose_subset(large, 50, "s", before)}
    assert len(choose_subset(small, 2, "s")) == 2 and choose_subset(small, 999, "s") == small
    for size in range(1, 40):
        assert len(choose_subset(small, size, "s")) == size
