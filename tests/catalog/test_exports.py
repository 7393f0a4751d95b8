"""Exports as shop systems, spreadsheets and data sets write them: each ends as the products that it means."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.catalog.config import CatalogConfig, Format
from tasks.catalog.locations import images_base, images_of
from tasks.catalog.prepare import PreparedCatalog, prepare_catalog
from tasks.catalog.profiles import PROFILES
from tasks.schema.errors import CatalogError
from tasks.sources.shop import open_source

IMAGES = ("red", "blue", "green")
CSV = "products.csv"


def jpeg(number: int) -> bytes:
    """An image that differs from those of other numbers."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (40 * number, 200 - 40 * number, 90)).save(file, "JPEG")
    return file.getvalue()


def prepared(folder: Path, content: str | bytes, name: str = CSV, **parameters: Any) -> PreparedCatalog:
    """The shop whose table that is, with the images red, blue and green in img/."""
    (folder / "img").mkdir(exist_ok=True)
    for number, color in enumerate(IMAGES):
        (folder / "img" / f"{color}.jpg").write_bytes(jpeg(number))
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(str(folder / name), **parameters)


def read(source: str, **parameters: Any) -> PreparedCatalog:
    config = CatalogConfig(source=source, **{"max_reject_share": 1.0, **parameters})
    files = open_source(config.root, images_root=config.images_root)
    return prepare_catalog(config, files, write_image=lambda sha256, data: None)


def found(catalog: PreparedCatalog, *fields: str) -> list[tuple[Any, ...]]:
    """Those fields of each item; ``image`` is its file's name."""
    rows = [{**row, "image": Path(row["source_uri"]).name} for row in catalog.items.to_pylist()]
    return [tuple(row[field] for field in fields) for row in rows]


SHOPIFY = """Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src,\
Image Position,Variant Image
mug,Harbour Mug,<p>Soft</p>,Nordlicht,Mug,Color,Red,HM-R,12.50,img/red.jpg,1,img/red.jpg
mug,,,,,,Blue,HM-B,13.50,img/blue.jpg,2,img/blue.jpg
mug,,,,,,,,,img/green.jpg,3,
bowl,Bay Bowl,,Nordlicht,Bowl,Title,Default Title,,9.00,img/green.jpg,1,
"""
WOOCOMMERCE = """ID,Type,SKU,Name,Sale price,Regular price,Categories,Images,Parent,\
Attribute 1 name,Attribute 1 value(s)
101,variable,W-1,Brook mug,,20.00,"Home > Mugs, Home > Sale, Gifts","img/red.jpg, img/blue.jpg",,Color,"Red, Blue"
102,variation,W-1-B,Brook mug - Blue,18.00,20.00,,,W-1,Color,Blue
104,variation,,Brook mug - Green,,21.00,,img/green.jpg,id:101,Color,Green
103,simple,W-2,Cliff lamp,,35.00,Home > Lamps,img/green.jpg,,Color,Green
"""
MAGENTO = """sku,store_view_code,product_type,categories,name,price,base_image,configurable_variations
MG-1,,simple,"Default Category/Home,Default Category/Home/Mugs,Default Category/Sale",Quill mug,30.0000,/q/m/red.jpg,
MG-1,de,,,Federbecher,,,
MG-2,,simple,Default Category/Home/Mugs,Quill mug blue,31.0000,/q/m/blue.jpg,
MG-3,,configurable,Default Category/Home/Mugs,Quill mug any,,/q/m/red.jpg,"sku=MG-1,color=red|sku=MG-2,color=blue"
"""
BIGCOMMERCE = """Item,ID,Name,SKU,Type,Price,Categories,Image URL (Import)
Product,7,Shore mug,S-1,physical,10,Home/Mugs,img/red.jpg
Variant,8,,S-1-B,,11,,
Image,,,,,,,img/blue.jpg
Product,9,Shore bowl,S-2,physical,12,Home/Bowls,img/green.jpg
"""
GOOGLE = """id\ttitle\timage_link\tprice\tsale_price\tgtin\tgoogle_product_category\tproduct_type
G1\tAldo mug\timg/red.jpg\t15.00 EUR\t12.00 EUR\t4006381333931\t2169\tHome > Kitchen > Mugs
G2\tBran lamp\timg/blue.jpg\t16.00 EUR\t\t4006381333948\t4636\tHome > Lighting > Lamps
"""
RSS = """<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>G1</g:id><title>Aldo &amp; mug</title><g:image_link>img/red.jpg</g:image_link>
<g:additional_image_link>img/blue.jpg</g:additional_image_link><g:price>15.00 EUR</g:price>
<g:product_type>Home &gt; Kitchen &gt; Mugs</g:product_type><g:shipping><g:country>DE</g:country></g:shipping></item>
<item><g:id>G2</g:id><title>Lamp</title><g:image_link>img/green.jpg</g:image_link></item>
</channel></rss>"""
STYLES = """id,gender,masterCategory,subCategory,articleType,baseColour,productDisplayName
red,Men,Apparel,Topwear,Shirt,Navy Blue,Fjord Men Navy Shirt
blue,Men,Apparel,Bottomwear,Jeans,Blue,Fjord Men Jeans
green,Men,Apparel,Bottomwear,Jeans,Blue,Fjord Men Jeans, slim, blue
"""


def test_shopify(tmp_path: Path) -> None:
    catalog = prepared(tmp_path, SHOPIFY)
    fields = ("item_id", "title", "brand", "color", "price", "group_id", "image", "product_type")
    assert found(catalog, *fields)[:2] == [
        ("HM-B", "Harbour Mug", "Nordlicht", "Blue", 13.5, "mug", "blue.jpg", "mug"),
        ("HM-R", "Harbour Mug", "Nordlicht", "Red", 12.5, "mug", "red.jpg", "mug"),
    ]
    assert found(catalog, "item_id", "image")[2] == ("bowl", "green.jpg")
    assert catalog.summary["folded_rows"] == {"variants": 1, "extra_images": 1} and not catalog.summary["rejected"]
    gallery = catalog.further_images.filter(pc.equal(catalog.further_images["item_id"], "HM-R"))["source_uri"]
    assert [Path(uri).name for uri in gallery.to_pylist()] == ["green.jpg"]


def test_shopify_as_json(tmp_path: Path) -> None:
    product = {"id": 1, "title": "Red mug", "body_html": "<p>Soft</p>", "vendor": "Acme", "handle": "mug"}
    product |= {"images": [{"src": "img/red.jpg"}], "variants": [{"price": "12.50", "sku": "M-1"}], "options": []}
    catalog = prepared(tmp_path, json.dumps({"products": [product]}, indent=1), "products.json")
    assert found(catalog, "item_id", "brand", "price", "image") == [("1", "Acme", 12.5, "red.jpg")]


def test_woocommerce(tmp_path: Path) -> None:
    catalog = prepared(tmp_path, WOOCOMMERCE)
    assert found(catalog, "item_id", "category", "color", "price", "image", "product_type") == [
        ("104", "Home/Mugs", "Green", 21.0, "green.jpg", "mug"),
        ("W-1", "Home/Mugs", "Red, Blue", 20.0, "red.jpg", "mug"),
        ("W-1-B", "Home/Mugs", "Blue", 18.0, "red.jpg", "mug"),
        ("W-2", "Home/Lamps", "Green", 35.0, "green.jpg", "lamp"),
    ]
    groups = dict(found(catalog, "item_id", "group_id"))
    assert groups["W-1"] == groups["W-1-B"] == groups["104"] != groups["W-2"]


@pytest.mark.parametrize("root", ["media", "file://media"])
def test_magento(tmp_path: Path, root: str) -> None:
    (tmp_path / "media" / "q" / "m").mkdir(parents=True)
    for number, color in enumerate(IMAGES):
        (tmp_path / "media" / "q" / "m" / f"{color}.jpg").write_bytes(jpeg(number))
    catalog = prepared(tmp_path, MAGENTO, images_root=root.replace("file://", f"file://{tmp_path}/"))
    assert found(catalog, "item_id", "title", "category", "price", "product_type", "group_id") == [
        ("MG-1", "Quill mug", "Home/Mugs", 30.0, "mug", "MG-3"),
        ("MG-2", "Quill mug blue", "Home/Mugs", 31.0, "mug", "MG-3"),
        ("MG-3", "Quill mug any", "Home/Mugs", None, "mug", "MG-3"),
    ]
    assert catalog.summary["folded_rows"] == {"store_views": 1}


def test_bigcommerce(tmp_path: Path) -> None:
    catalog = prepared(tmp_path, BIGCOMMERCE)
    assert found(catalog, "item_id", "title", "price", "image", "category") == [
        ("S-1", "Shore mug", 10.0, "red.jpg", "Home/Mugs"),
        ("S-1-B", "Shore mug", 11.0, "red.jpg", "Home/Mugs"),
        ("S-2", "Shore bowl", 12.0, "green.jpg", "Home/Bowls"),
    ]
    assert catalog.summary["folded_rows"] == {"variants": 1, "extra_images": 1}


def test_google_feeds(tmp_path: Path) -> None:
    catalog = prepared(tmp_path, GOOGLE, "feed.tsv")
    assert found(catalog, "item_id", "category", "price", "product_type") == [
        ("G1", "Home/Kitchen/Mugs", 12.0, "mug"),
        ("G2", "Home/Lighting/Lamps", 16.0, "lamp"),
    ]
    assert dict(catalog.items["attributes"].to_pylist()[0])["google_product_category"] == "2169"
    catalog = prepared(tmp_path, RSS, "feed.xml")
    assert found(catalog, "item_id", "title", "category", "price", "image")[0] == (
        "G1", "Aldo & mug", "Home/Kitchen/Mugs", 15.0, "red.jpg"
    )  # fmt: skip
    assert catalog.items.num_rows == 2 and catalog.summary["export"] == "Google Merchant feed"
    with pytest.raises(CatalogError, match="entities"):
        prepared(tmp_path, '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + RSS[21:], "feed.xml")


def test_images_called_like_the_ids(tmp_path: Path) -> None:
    catalog = prepared(tmp_path, STYLES, "styles.csv")
    assert found(catalog, "item_id", "category", "color", "image") == [
        ("blue", "Apparel/Bottomwear", "Blue", "blue.jpg"),
        ("red", "Apparel/Topwear", "Navy Blue", "red.jpg"),
    ]
    assert catalog.summary["rejects"] == {"malformed_row": 1}
    named = prepared(tmp_path, "article,name\nred,Mug\n", columns={"item_id": "article", "image": "img/{article}.jpg"})
    assert found(named, "image") == [("red.jpg",)]
    with pytest.raises(CatalogError, match="'image' is made of 'nr', which is not a column"):
        prepared(tmp_path, "id,title\n1,Mug\n", columns={"image": "img/{nr}.jpg"})
    with pytest.raises(CatalogError, match=r"'image' is mapped to 'img/\{id:d\}\.jpg', which is not a column"):
        prepared(tmp_path, "id,title\n1,Mug\n", columns={"image": "img/{id:d}.jpg"})


@pytest.mark.parametrize("columns", [{}, {"image": "images/{id}.jpg"}])
def test_images_that_are_called_like_the_ids(tmp_path: Path, columns: dict[str, str]) -> None:
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (20, 20), "red" if name == "a" else "blue").save(tmp_path / "images" / f"{name}.jpg")
    rows = prepared(tmp_path, "id,title,price\na,Mug,3\nb,Bowl,4\n", columns=columns).items.to_pylist()
    assert [(row["item_id"], Path(row["source_uri"]).name) for row in rows] == [("a", "a.jpg"), ("b", "b.jpg")]


def test_amazon_reviews(tmp_path: Path) -> None:
    sizes = {"thumb": "img/none.jpg", "large": "img/red.jpg", "hi_res": None, "variant": "MAIN"}
    row = {"parent_asin": "B0", "title": "Mug", "images": [sizes], "main_category": "Home", "store": "Acme"}
    row |= {"categories": ["Home", "Mugs"], "price": 12.5, "details": {"Weight": "1"}, "features": ["Soft to hold"]}
    catalog = prepared(tmp_path, json.dumps(row), "meta.jsonl")
    assert found(catalog, "item_id", "brand", "category", "price", "image") == [
        ("B0", "Acme", "Home/Mugs", 12.5, "red.jpg")
    ]


@pytest.mark.parametrize("kind", ["struct", "struct without path", "binary", "any name"])
def test_images_within_parquet(tmp_path: Path, kind: str) -> None:
    images = [jpeg(1), jpeg(2)]
    cells: list[Any] = images
    if kind.startswith("struct"):
        cells = [{"bytes": data, "path": None if "without" in kind else f"{at}.jpg"} for at, data in enumerate(images)]
    table = pa.table({"id": ["1", "2"], "title": ["Mug", "Bowl"], "jpg" if kind == "any name" else "image": cells})
    (tmp_path / "data").mkdir()
    for shard in (0, 1):
        path = tmp_path / "data" / f"train{{a}}-0000{shard}-of-00002.parquet"  # braces are no pattern of ours
        pq.write_table(table.slice(shard, 1), path)
    catalog = read(str(tmp_path))
    assert found(catalog, "item_id", "title") == [("1", "Mug"), ("2", "Bowl")]
    assert len(set(catalog.items["image_sha256"].to_pylist())) == 2
    config = CatalogConfig(source=str(tmp_path))
    again = prepare_catalog(config, open_source(config.root), write_image=lambda *_: None, sources=catalog.sources)
    assert again.items.equals(catalog.items) and again.summary["pictures_read"] == 0


def test_columns_that_nobody_asked_for_cost_nothing(tmp_path: Path) -> None:
    table = pa.table({"id": ["1"], "title": ["Mug"], "image": ["img/red.jpg"], "hash": [b"\xff\xfe\x00"], "x": [None]})
    twice = table.append_column("color", pa.array([None], pa.string())).append_column("color", pa.array(["red"]))
    pq.write_table(twice, tmp_path / "p.parquet")
    catalog = prepared(tmp_path, (tmp_path / "p.parquet").read_bytes(), "p.parquet")
    assert found(catalog, "item_id", "color") == [("1", "red")] and not catalog.summary["rejected"]


TABLES = {
    "a sep= line": ("sep=;\nid;title;image;price\n1;Mug;img/red.jpg;12,50\n", [("1", "Mug", 12.5)]),
    "a quoted sep= line": ('"sep=|"\nid|title|image|price\n1|Mug|img/red.jpg|2\n', [("1", "Mug", 2.0)]),
    "backslashes before quotes": (
        'id,title,image,price\n1,"Monitor 24\\" wide, black",img/red.jpg,1\n2,"Mug \\"Best\\"",img/blue.jpg,2\n',
        [("1", 'Monitor 24" wide, black', 1.0), ("2", 'Mug "Best"', 2.0)],
    ),
    "cells left out at the end": (
        "id,title,image,price,note\n1,Mug,img/red.jpg,3,x\n2,Bowl,img/blue.jpg\n",
        [("1", "Mug", 3.0), ("2", "Bowl", None)],
    ),
    "a delimiter after the last cell": ("id,title,image,price\n1,Mug,img/red.jpg,4,\n", [("1", "Mug", 4.0)]),
    "a guard against Excel": ('id,title,image,price\n"=""001""",Mug,img/red.jpg,5\n', [("001", "Mug", 5.0)]),
    "ids with markup": (
        "id,title,image,price\nA<B>,Mug,img/red.jpg,1\nA,Bowl,img/blue.jpg,1\nx&copy1,Cup,img/green.jpg,1\n",
        [("A", "Bowl", 1.0), ("A<B>", "Mug", 1.0), ("x&copy1", "Cup", 1.0)],
    ),
    "nothing as databases spell it": ("id,title,image,price\n1,Mug,img/red.jpg,\\N\n\\N,x,y,1\n", [("1", "Mug", None)]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_csv_as_people_write_it(tmp_path: Path, case: str) -> None:
    content, expected = TABLES[case]
    assert found(prepared(tmp_path, content), "item_id", "title", "price") == expected


def test_an_open_quote_swallows_no_neighbour(tmp_path: Path) -> None:
    rows = [
        '1\t"Best mug\timg/red.jpg',
        "2\tBowl\timg/blue.jpg",
        '3\tMonitor 24"\timg/green.jpg',
        "4\tCup\timg/red.jpg",
    ]
    catalog = prepared(tmp_path, "\n".join(["id\ttitle\timage", *rows]), "p.tsv")
    assert [title for (title,) in found(catalog, "title")] == ['"Best mug', "Bowl", 'Monitor 24"', "Cup"]
    prose = (
        'id,title,text,image\n1,Mug,"Soft, warm,\nround, red, dear,\nand a, b, c",img/red.jpg\n2,Cup,x,img/blue.jpg\n'
    )
    assert prepared(tmp_path, prose).items.num_rows == 2
    swallowed = 'id,title,image\n1,"Best mug,img/red.jpg\n2,Bowl,img/blue.jpg\n3,Monitor 24",img/green.jpg\n'
    catalog = prepared(tmp_path, swallowed)
    assert found(catalog, "item_id") == [("2",), ("3",)] and catalog.summary["rejects"] == {"malformed_row": 1}


@pytest.mark.parametrize(
    ("cells", "prices"),
    [
        (["1.299 €", "1.299,00 €", "19,90 €", ",89 €"], [1299.0, 1299.0, 19.9, 0.89]),
        (["1.299", "12.50", "0.999"], [1.299, 12.5, 0.999]),
        (["1.299", "2.500"], [1299.0, 2500.0]),
        (["0.125", "1.250"], [0.125, 1.25]),
        (["30.0000", "1.299"], [30.0, 1.299]),
        (["statt 20,00 € nur 15,00 €", "was $20.00, now $15.00", "20 - 30"], [15.0, 15.0, 20.0]),
        (["1,299", "2,500.50"], [1299.0, 2500.5]),
    ],
)
def test_marks_in_prices_are_decided_over_the_column(tmp_path: Path, cells: list[str], prices: list[float]) -> None:
    rows = "\n".join(f'{at},Mug {at},img/red.jpg,"{cell}"' for at, cell in enumerate(cells))
    assert [price for (price,) in found(prepared(tmp_path, f"id,title,image,price\n{rows}\n"), "price")] == prices


@pytest.mark.parametrize(
    "cell",
    ["['img/none.jpg', 'img/red.jpg']", '["img/red.jpg"]', "['img/red.jpg' 'img/blue.jpg']", "{'src': 'img/red.jpg'}",
     '{"url": "img/red.jpg"}', "[{'thumb': 'img/none.jpg', 'large': 'img/red.jpg'}]", "img/none.jpg, img/red.jpg",
     "img/none.jpg|img/red.jpg", "array(['img/red.jpg'], dtype=object)", "img/red.jpg?v=2", "img/r%65d.jpg",
     "img/RED.JPG"],
)  # fmt: skip
def test_image_cells_in_every_spelling(tmp_path: Path, cell: str) -> None:
    quoted = cell.replace('"', '""')
    catalog = prepared(tmp_path, f'id,title,image\n1,Mug,"{quoted}"\n')
    assert catalog.items.num_rows == 1, catalog.rejects.to_pylist()
    red = prepared(tmp_path, "id,title,image\n1,Mug,img/red.jpg\n")
    assert catalog.items["image_sha256"].equals(red.items["image_sha256"])


def test_file_names_in_another_normal_form(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / unicodedata.normalize("NFD", "Käse.jpg")).write_bytes(jpeg(3))
    catalog = prepared(tmp_path, f"id,title,image\n1,Bell,img/{unicodedata.normalize('NFC', 'Käse.jpg')}\n")
    assert catalog.items.num_rows == 1 and catalog.summary["pictures_found_respelled"] == 1


@pytest.mark.parametrize(
    ("cell", "address"),
    [("http://h/p?id=7&amp;w=300", "http://h/p?id=7&w=300"), ("//h/a.jpg", "https://h/a.jpg"),
     ("http://h/p?x=1&copy=2", "http://h/p?x=1&copy=2")],
)  # fmt: skip
def test_addresses_as_feeds_spell_them(cell: str, address: str) -> None:
    assert images_of(cell) == [address]


def test_nested_json(tmp_path: Path) -> None:
    row = {"asin": "A1", "title": "Red mug", "image": "img/red.jpg", "brand": {"name": "Nordlicht"}}
    row["categories"] = [["Home", "Kitchen", "Mugs"], ["Gifts"]]  # type: ignore[assignment]
    catalog = prepared(tmp_path, json.dumps(row), "nested.jsonl")
    assert found(catalog, "category", "brand") == [("Home/Kitchen/Mugs", "Nordlicht")]
    for document in ({"id": {"0": 1}, "title": {"0": "Mug"}}, {"m1": {"title": "Mug"}, "m2": {"title": "Bowl"}}):
        with pytest.raises(CatalogError, match="one JSON object of 2 objects"):
            prepared(tmp_path, json.dumps(document), "columns.json")


def test_kinds_of_record_and_codes_are_no_words(tmp_path: Path) -> None:
    text = "id,title,image,type,category\n1,Mug,img/red.jpg,simple,2169\n2,Bowl,img/blue.jpg,configurable,4636\n"
    catalog = prepared(tmp_path, text)
    assert found(catalog, "product_type") == [("",), ("",)] and "product_type" not in catalog.summary["columns"]
    [category] = [row for row in catalog.summary["column_report"] if row["field"] == "category"]
    assert category["suspicions"] == ["digits only"] and category["examples"] == ["2169", "4636"]


def test_an_excel_workbook(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="pip install 'product-search[xlsx]'")
    book = openpyxl.Workbook()
    for row in (["Our products"], ["SKU", "Name", "Image", "Price"], [17, "Mug", "img/red.jpg", 12.5]):
        book.active.append(row)
    book.save(tmp_path / "shop.xlsx")
    catalog = prepared(tmp_path, (tmp_path / "shop.xlsx").read_bytes(), "shop.xlsx")
    assert found(catalog, "item_id", "title", "price") == [("17", "Mug", 12.5)]


def test_an_export_that_is_none_says_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is not read as shopify, which has the columns Handle"):
        prepared(tmp_path, "id,title,image\n1,Mug,img/red.jpg\n", format="shopify")
    with pytest.raises(ValueError, match=r"a \.xls file is not read; read are \.csv"):
        CatalogConfig(source="shop.xls")
    assert {profile.name for profile in PROFILES} == {*get_args(Format)} - {"auto", "abo", "table"}
    with pytest.raises(ValueError, match="woocommerce"):
        CatalogConfig(source="shop.csv", format="prestashop")  # type: ignore[arg-type]


def test_a_placeholder_under_many_products_is_named_and_not_trained_on(tmp_path: Path) -> None:
    names = ["Oak chair", "Steel lamp", "Linen shirt", "Clay pot", "Wool scarf", "Iron pan", "Paper kite"]
    rows = [f"{at},{name},img/red.jpg" for at, name in enumerate(names)]
    rows += [
        f"own{at},Glass vase {name},img/{color}.jpg"
        for at, (name, color) in enumerate(zip("ab", IMAGES[1:], strict=True))
    ]
    catalog = prepared(tmp_path, "\n".join(["id,title,image", *rows]))
    splits = dict(found(catalog, "item_id", "split"))
    assert {splits[str(at)] for at in range(len(names))} == {"unused"} and "unused" not in (
        splits["own0"],
        splits["own1"],
    )
    assert any("probably a placeholder" in warning for warning in catalog.summary["warnings"])


def test_a_table_by_its_web_address() -> None:
    config = CatalogConfig(source="https://shop.example/feeds/products.csv.gz?sig=a/b")
    assert (config.root, config.table) == ("https://shop.example/feeds", "products.csv.gz?sig=a/b")
    assert config.names_table and config.shop_name == "feeds"
    base = images_base(config, config.root)
    assert base.locate("/media/a.jpg") == "https://shop.example/media/a.jpg" and base.locate("a.jpg") == "a.jpg"
    plain = CatalogConfig(source="https://shop.example/feed?format=csv")
    assert (plain.root, plain.table) == ("https://shop.example", "feed?format=csv")
