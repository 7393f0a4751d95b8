"""A shop's own table: columns, delimiters, damaged rows, and what becomes of each cell."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.catalog.categories import split_category, type_from_category, type_words
from tasks.catalog.columns import Columns
from tasks.catalog.config import CatalogConfig
from tasks.catalog.listing import SourceRows
from tasks.catalog.locations import images_of
from tasks.catalog.prices import PriceStyle
from tasks.catalog.table import read_table
from tasks.catalog.text import plain, title
from tasks.schema.errors import CatalogError
from tasks.sources.shop import open_source
from tests.catalog.listings import listings_of


def read(path: Path, **parameters: object) -> SourceRows:
    config = CatalogConfig(source=str(path), **parameters)  # type: ignore[arg-type]
    return read_table(config, open_source(config.root))


def table(folder: Path, text: str | bytes, name: str = "shop.csv", **parameters: object) -> SourceRows:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, **parameters)


def reasons(rows: SourceRows) -> list[tuple[int, str]]:
    return [(reject.row, reject.reason) for reject in rows.rejects]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_sniffed(tmp_path: Path, mark: str) -> None:
    rows = ["id,name,image,price", '007,"Mug, blue; large | x",a.jpg,"12,50 €"', "008,Bowl,b.jpg,3"]
    text = "\n".join(row if mark == "," else _with_mark(row, mark) for row in rows)
    found = table(tmp_path, text)
    assert [one.item_id for one in listings_of(found.listings)] == ["007", "008"]
    assert listings_of(found.listings)[0].title == "Mug, blue; large | x"
    assert listings_of(found.listings)[0].price == 12.5


def _with_mark(row: str, mark: str) -> str:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, delimiter=mark).writerows(csv.reader([row]))
    return out.getvalue().strip()


def test_byte_order_mark_windows_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    header = "\ufeffSKU,Product Name,Image URL,Body (HTML)\r\n"
    text = header + '1,Mug,a.jpg,"<p>One</p>\r\n<ul><li>two</li></ul>"\r\n\r\n2,Bowl,b.jpg,x\r\n'
    found = table(tmp_path, text)
    assert [(one.item_id, one.title) for one in listings_of(found.listings)] == [("1", "Mug"), ("2", "Bowl")]
    assert listings_of(found.listings)[0].description == "One • two"
    assert listings_of(found.listings)[1].source == "shop.csv:5"
    assert found.rejects == []


def test_utf16_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    found = table(tmp_path, "id\ttitle\timage\n1\tKäse\ta.jpg\n".encode("utf-16"), "shop.txt")
    assert listings_of(found.listings)[0].title == "Käse"


def test_another_encoding_can_be_named(tmp_path: Path) -> None:
    data = "id,title,image\n1,Käse,a.jpg\n".encode("cp1252")
    assert reasons(table(tmp_path, data)) == [(0, "not_utf8")]
    assert listings_of(table(tmp_path, data, encoding="cp1252").listings)[0].title == "Käse"


def test_each_damaged_row_is_named_and_costs_no_other(tmp_path: Path) -> None:
    good = "{n},Title {n},{n}.jpg,\n"
    bad = {
        1: b"1,too few\n",
        3: b"3,too,many,cells,here\n",
        5: b"5,caf\xe9,5.jpg,\n",
        7: b",no id,7.jpg,\n",
        9: b"9,   ,9.jpg,\n",
        10: b"10,NaN,10.jpg,\n",
        11: b"11,no picture,,\n",
        13: b"2,same id,13.jpg,\n",
        15: b"15,climbs out,../../etc/passwd,\n",
        16: b"16,climbs out,images/../../x.jpg,\n",
        17: b"17,absolute,/etc/passwd,\n",
        18: b"18,file uri,file:///etc/passwd,\n",
        19: b"19,windows,..\\..\\x.jpg,\n",
        20: b"20,windows,C:\\x.jpg,\n",
        22: b'22,"never closed,22.jpg,\n',
        24: b'24,"broken\nover two lines",24.jpg\n',
    }
    data = b"id,title,image,note\n" + b"".join(bad.get(n, good.format(n=n).encode()) for n in range(27))
    found = table(tmp_path, data)
    assert reasons(found) == [
        (1, "malformed_row"), (3, "malformed_row"), (5, "not_utf8"), (7, "missing_id"), (9, "missing_title"),
        (10, "missing_title"), (11, "missing_picture"), (13, "duplicate_id"), (15, "picture_outside_root"),
        (16, "picture_outside_root"), (17, "picture_outside_root"), (18, "picture_outside_root"),
        (19, "picture_outside_root"), (20, "picture_outside_root"), (22, "malformed_row"),
    ]  # fmt: skip
    assert [int(one.item_id) for one in listings_of(found.listings)] == [
        n for n in range(27) if n not in bad or n == 24
    ]
    assert listings_of(found.listings)[-3].title == "broken over two lines"
    assert found.rows == 27
    assert all(reject.detail and reject.source.startswith("shop.csv:") for reject in found.rejects)
    details = {reject.row: reject.detail for reject in found.rejects}
    assert "2 cells" in details[1] and "4" in details[1]
    assert "row 2" in details[13]
    assert "title" in details[5] and "\\xe9" in details[5].replace("\\udce9", "\\xe9")


def test_unbalanced_quotes_inside_a_cell_are_only_text(tmp_path: Path) -> None:
    found = table(tmp_path, 'id,title,image\n1,Monitor 24" wide,a.jpg\n2,"A ""fine"" mug",b.jpg\n3,x"y,c.jpg\n')
    assert [one.title for one in listings_of(found.listings)] == ['Monitor 24" wide', 'A "fine" mug', 'x"y']


def test_further_columns_become_attributes(tmp_path: Path) -> None:
    found = table(tmp_path, "id,title,image,Fit,Season,\n1,Mug,a.jpg, slim ,,x\n")
    assert listings_of(found.listings)[0].attributes == {"Fit": "slim"}
    assert found.facts["columns"] == {"item_id": "id", "title": "title", "image": "image"}


def test_json_lines_with_lists_numbers_and_faults(tmp_path: Path) -> None:
    entries = [
        {"sku": 17, "name": "Mug", "images": ["a.jpg", "b.jpg"], "categories": ["Kitchen", "Mugs"], "price": 1299.5},
        {"sku": "018", "name": "Bowl &amp; lid", "images": [], "price": "free"},
        {"sku": 19.0, "name": "Plate", "images": '["c.jpg"]', "price": "free", "new": {"a": 1}},
    ]
    lines = [json.dumps(entry).encode() for entry in entries]
    lines[1:1] = [b"{not json", b"[1, 2]", b'{"sku": "x", "name": "\xff"}', b'{"sku": "y", "name": "\\ud800"}']
    path = tmp_path / "shop.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    found = read(path)
    assert reasons(found) == [
        (1, "malformed_row"), (2, "malformed_row"), (3, "not_utf8"), (4, "not_utf8"), (5, "missing_picture"),
    ]  # fmt: skip
    mug, plate = listings_of(found.listings)
    assert (mug.item_id, mug.image, mug.category, mug.price) == ("17", "a.jpg", ("Kitchen", "Mugs"), 1299.5)
    assert (plate.item_id, plate.image, plate.price) == ("19", "c.jpg", None)
    assert plate.attributes == {"new": '{"a": 1}', "price": "free"}
    assert found.facts["prices_not_understood"] == 1


def test_what_is_no_text_costs_its_cell_or_its_row_alone(tmp_path: Path) -> None:
    broken = "\ud800"
    rows = [
        {"id": "1", "title": "Mug", "image": {"name": "x", "url": f"{broken}.jpg"}},
        {"id": "2", "title": "Bowl", "image": [f"{broken}.jpg", "b.jpg"]},
        {
            "id": "3",
            "title": "Cup",
            "image": "c.jpg",
            "category": f"Kitchen > {broken}",
            "price": broken,
            "color": broken,
        },
        {
            "id": "4",
            "title": "Pot",
            "image": "d.jpg",
            "images_2": f"{broken}.jpg",
            "image_2": [f"{broken}.jpg", "e.jpg"],
        },
    ]
    (tmp_path / "shop.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = read(tmp_path / "shop.jsonl")
    assert reasons(found) == [(0, "missing_picture"), (1, "not_utf8")]
    cup, pot = listings_of(found.listings)
    assert (cup.category, cup.price, cup.color, cup.attributes) == ((), None, "", {})
    assert (pot.image, pot.further_images) == ("d.jpg", ("e.jpg",))


def test_parquet_with_lists_and_bytes_that_are_not_text(tmp_path: Path) -> None:
    titles = pa.array([b"Mug", b"caf\xe9", b"Bowl"], pa.binary()).view(pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, titles.buffers())
    columns = {
        "product_id": pa.array([1.0, 2.0, 3.0]),
        "title": broken,
        "image": pa.array([["a.jpg", "b.jpg"], ["c.jpg"], None]),
        "category": pa.array([["Men", "Tops"], None, None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "shop.parquet")
    found = read(tmp_path / "shop.parquet")
    assert reasons(found) == [(1, "not_utf8"), (2, "missing_picture")]
    assert (listings_of(found.listings)[0].item_id, listings_of(found.listings)[0].image) == ("1", "a.jpg")
    assert listings_of(found.listings)[0].category == ("Men", "Tops")


def test_missing_columns_are_one_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        table(tmp_path, "sku,asin,headline\n1,2,Mug\n")
    message = str(caught.value)
    for words in ("no column for 'title'", "no column for 'image'"):
        assert words in message
    assert "['sku', 'asin', 'headline']" in message and "columns={" in message and "image_link" in message
    columns = {"item_id": "SKU", "title": "headline", "image": "pic"}
    found = table(tmp_path, "sku,asin,headline,pic\n1,2,Mug,a.jpg\n", columns=columns)
    assert listings_of(found.listings)[0].attributes == {"asin": "2"}


def test_an_explicit_column_that_is_not_there_is_named() -> None:
    with pytest.raises(CatalogError, match="'color' is mapped to 'colr', which is not a column"):
        Columns(["id", "title", "image"]).matched({"color": "colr"}, "t.csv")


def test_our_own_name_wins_over_other_spellings() -> None:
    columns = Columns(["Item-ID", "sku", "Title", "name", "image_link", "Colour", "color name"]).matched({}, "t.csv")
    found = {field: str(source) for field, source in columns.items()}
    assert found == {"item_id": "Item-ID", "title": "Title", "image": "image_link", "color": "Colour"}
    assert "color" not in Columns(["id", "title", "image", "color"]).matched({"color": ""}, "t.csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"PAR1 broken"])
def test_a_file_that_is_no_table_is_an_error(tmp_path: Path, content: bytes) -> None:
    name = "t.parquet" if content.startswith(b"PAR1") else "t.csv"
    with pytest.raises(CatalogError, match=name):
        table(tmp_path, content, name)
    with pytest.raises(CatalogError, match="not a whole gzip"):
        table(tmp_path, gzip.compress(b"id,title,image\n1,a,b\n")[:-9], "t.csv.gz")


def test_images_root_inside_beside_and_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    text = f"id,title,image\n1,Mug,a.jpg\n2,Cup,../a.jpg\n3,Pot,{tmp_path}/pictures/deep/b.jpg\n"
    found = table(tmp_path / "feed", text, images_root=str(tmp_path / "pictures"))
    config = CatalogConfig(source=f"{tmp_path}/feed/shop.csv", images_root=f"{tmp_path}/pictures")
    assert (config.root, config.table) == (str(tmp_path), "feed/shop.csv")
    assert [one.image for one in listings_of(found.listings)] == ["pictures/a.jpg", "pictures/deep/b.jpg"]
    assert reasons(found) == [(1, "picture_outside_root")]
    beside = CatalogConfig(source="s3://b/feed/shop.csv", images_root="../pictures")
    assert (beside.root, beside.table, beside.anchor.images) == ("s3://b", "feed/shop.csv", "pictures")
    inside = CatalogConfig(source="shop/shop.csv", images_root="img")
    assert (inside.root, inside.table, inside.anchor.images) == ("shop", "shop.csv", "img")
    away = table(tmp_path / "feed", "id,title,image\n1,Mug,a.jpg\n2,Cup,../a.jpg\n", images_root="s3://bucket/p/")
    assert [one.image for one in listings_of(away.listings)] == ["s3://bucket/p/a.jpg"]


@pytest.mark.parametrize(
    ("cell", "first"),
    [
        ("a.jpg", "a.jpg"), (" a.jpg , b.jpg", "a.jpg"), ("a.jpg;b.jpg", "a.jpg"), ("a.jpg|b.jpg", "a.jpg"),
        ("red, blue.jpg", "red, blue.jpg"), ("https://x/w_300,h_2/a.jpg", "https://x/w_300,h_2/a.jpg"),
        ("https://x/a.jpg, https://x/b.jpg", "https://x/a.jpg"), ("s3://b/a.jpg s3://b/c.jpg", "s3://b/a.jpg"),
        ('["a.jpg", "b.jpg"]', "a.jpg"), (["", "b.jpg"], "b.jpg"), ({"path": "a.jpg", "bytes": None}, "a.jpg"),
        ("", ""), (None, ""), ("nan", ""), (float("nan"), ""), ([], ""), ("[]", ""),
    ],
)  # fmt: skip
def test_the_first_of_several_images(cell: object, first: str) -> None:
    assert next(iter(images_of(cell)), "") == first


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,299.00", 1299.0), ("12,50 €", 12.5), ("1.299,00", 1299.0), ("1 299,5 kr", 1299.5), ("1,299", 1299.0),
        ("1.299.000", 1299000.0), ("52", 52.0), ("CHF 1'299.-", 1299.0), ("12.00 - 15.00", 12.0), ("free", None),
        ("", None), ("-5", None), ("0.99", 0.99), ("¥1,980", 1980.0), ("1,299,000.5", 1299000.5),
    ],
)  # fmt: skip
def test_prices(text: str, value: float | None) -> None:
    assert PriceStyle().price(text) == value


def test_text_is_made_plain() -> None:
    assert plain("<p>One<br/>two</p><script>x()</script> <b>th</b>ree &amp; four") == "One two three & four"
    assert plain("&lt;b&gt;bold&lt;/b&gt; size <5 cm, a < b") == "bold size <5 cm, a < b"
    assert plain("a\x00b\tc\u200b\n d") == "a b c d"
    assert title("---") == "" and title(" N/A ") == "" and title("\u200b") == "" and title("Nan bread") == "Nan bread"


@pytest.mark.parametrize(
    ("cell", "levels"),
    [
        ("Men/Tops/Hoodies & Sweatshirts", ("Men", "Tops", "Hoodies & Sweatshirts")), ("Men > Tops", ("Men", "Tops")),
        ("Men|Tops", ("Men", "Tops")), ("Men &gt; Tops/Tees", ("Men", "Tops Tees")), (["Men", "Tops"], ("Men", "Tops")),
        ('["Men", "Tops"]', ("Men", "Tops")), ("Default Category/Gear", ("Gear",)), ("Shoes", ("Shoes",)), ("", ()),
        (None, ()), ("/Men//Tops/", ("Men", "Tops")), (["Sale", "Men/Tops"], ("Men", "Tops")),
    ],
)  # fmt: skip
def test_category_spellings(cell: object, levels: tuple[str, ...]) -> None:
    assert split_category(cell) == levels


def test_types_as_people_say_them() -> None:
    assert type_words("CELLULAR_PHONE_CASE") == "phone case"
    assert type_words("SHOES") == "shoes"
    assert type_words("WALL_ART") == "wall art"
    assert type_words("Home > Women > Dresses") == "dress"
    assert type_from_category("Hoodies & Sweatshirts", "Frankie Sweatshirt Green") == "sweatshirt"
    assert type_from_category("Bras & Tanks", "Prima Compete Bra Top") == "bra"
    assert type_from_category("Bras & Tanks", "Nona Top") == "bra or tank"
    assert [type_from_category(name, "") for name in ("Watches", "Pants", "Accessories", "Fitness Equipment")] == [
        "watch", "pants", "accessory", "fitness equipment",
    ]  # fmt: skip


def test_contradictions_are_told_all_at_once() -> None:
    with pytest.raises(ValueError, match="must be 1") as caught:
        CatalogConfig(
            source="shop", format="abo", train_share=0.9, columns={"headline": "x"}, delimiter=",,", encoding="utf-99"
        )
    for words in ("must be 1", "headline", "one character", "utf-99", "ABO export"):
        assert words in str(caught.value)


def test_one_shop_is_told_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tonight = CatalogConfig(source=f"{tmp_path}/shop/2026-01-02.csv")
    assert tonight.same_shop(CatalogConfig(source=f"{tmp_path}/shop/2026-01-01.csv", picture_threads=2))
    assert tonight.same_shop(CatalogConfig(source="shop/today.csv")), "a relative path names the same folder"
    assert not tonight.same_shop(CatalogConfig(source=f"{tmp_path}/other/2026-01-02.csv"))
    assert not tonight.same_shop(tonight.model_copy(update={"max_items": 100})), "a part of it is not compared with all"
    assert CatalogConfig(source="s3://b/shop").same_shop(CatalogConfig(source="s3://b/shop/"))
