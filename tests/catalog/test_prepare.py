"""A whole shop, damaged in every way we know, read into one catalogue."""

import hashlib
import io
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.catalog.changes import compare
from tasks.catalog.config import CatalogConfig
from tasks.catalog.prepare import PreparedCatalog, TooManyRejects, prepare_catalog, reject_share
from tasks.schema.errors import CatalogError, SourceUnavailable
from tasks.schema.files import Reading
from tasks.schema.tables import ITEMS, REJECT_REASONS, REJECTS, SPLITS
from tasks.sources.shop import open_source

HEADER = "id,title,image,brand,category,color,price,note\n"


def encode(color: object, format: str = "JPEG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, format, **options)  # type: ignore[arg-type]
    return out.getvalue()


def make_shop(folder: Path, count: int = 30, extra: str = "") -> Path:
    """A small whole shop: two colours of each design, one image for each item."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(count):
        design, color = f"Mug model {chr(97 + n // 2) * 2}", ("Red", "Blue")[n % 2]
        rows.append(f"{n:03},{design} {color},images/{n}.jpg,Rivet,Kitchen/Mugs,{color},{n}.50,x\n")
        (folder / f"images/{n}.jpg").write_bytes(encode((n * 5 % 256, n * 11 % 256, 90)))
    (folder / "shop.csv").write_text(HEADER + "".join(rows) + extra)
    return folder / "shop.csv"


def prepare(
    source: Path, parent: pa.Table | None = None, **parameters: Any
) -> tuple[PreparedCatalog, dict[str, bytes]]:
    config = CatalogConfig(source=str(source), **parameters)
    written: dict[str, bytes] = {}

    def write_image(sha256: str, jpeg: bytes) -> None:
        assert sha256 not in written, "each image is written once"
        written[sha256] = jpeg

    files = open_source(config.root)
    return prepare_catalog(config, files, write_image=write_image, parent=parent), written


def test_a_whole_shop(tmp_path: Path) -> None:
    seen: list[float] = []
    config = CatalogConfig(source=str(make_shop(tmp_path)))
    found = prepare_catalog(
        config, open_source(config.root), write_image=lambda *_: None, progress=lambda share, _: seen.append(share)
    )
    assert found.items.schema.equals(ITEMS) and found.rejects.schema.equals(REJECTS)
    assert found.items.num_rows == 30 and found.rejects.num_rows == 0
    assert seen == sorted(seen) and seen[-1] == 1.0
    row = found.items.to_pylist()[3]
    assert row["item_id"] == "003" and row["price"] == 3.5 and row["category"] == "Kitchen/Mugs"
    assert row["category_l1"] == "Kitchen" and row["product_type"] == "mug"
    assert dict(row["captions"])["color_type"] == "blue mug" and dict(row["attributes"]) == {"note": "x"}
    assert (row["image_width"], row["image_height"]) == (40, 30)
    summary = found.summary
    assert summary["groups"] == 15 and sum(summary["splits"].values()) == 30 and set(summary["splits"]) == set(SPLITS)
    assert summary["categories"] == {"Kitchen": 30} and summary["columns"]["item_id"] == "id"
    assert any("same category" in warning for warning in summary["warnings"])


def test_the_same_shop_gives_the_same_bytes(tmp_path: Path) -> None:
    source = make_shop(tmp_path)
    first, images = prepare(source)
    again, _ = prepare(source, picture_threads=1)
    after, _ = prepare(source, parent=first.items)
    assert first.items.equals(again.items) and first.items.equals(after.items)
    assert first.summary == again.summary
    assert {hashlib.sha256(data).hexdigest() for data in images.values()} == set(images)
    assert set(first.items.column("image_sha256").to_pylist()) == set(images)


def splits_of(items: pa.Table) -> dict[str, str]:
    return dict(zip(items.column("item_id").to_pylist(), items.column("split").to_pylist(), strict=True))


def bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )


def plain(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "GIF")
    return out.getvalue()


def noise(format: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((120, 90), 80).save(out, format)
    return out.getvalue()


#: name of the damage -> (file content or None, what must be found)
IMAGE_DAMAGE: dict[str, tuple[bytes | None, str]] = {
    "absent.jpg": (None, "picture_not_found"),
    "empty.jpg": (b"", "picture_empty"),
    "cut.jpg": (noise("JPEG")[:-700], "picture_truncated"),
    "cut.png": (noise("PNG")[:-700], "picture_truncated"),
    "page.jpg": (b"<html><body>Not found</body></html>", "picture_wrong_type"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "picture_wrong_type"),
    "paper.jpg": (b"%PDF-1.4 ...", "picture_wrong_type"),
    "pixel.gif": (plain(1, 1), "picture_too_small"),
    "strip.gif": (plain(2000, 9), "picture_too_small"),
    "bomb.png": (bomb(), "picture_too_large"),
    "heavy.jpg": (encode("red") + b"\0" * 300_000, "picture_too_large"),
    "random.jpg": (bytes(range(130, 250)) * 30, "picture_unreadable"),
}


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_damaged_images_are_named_and_the_rest_stays(tmp_path: Path, place: str) -> None:
    source = make_shop(tmp_path)
    lines = source.read_text().splitlines(keepends=True)
    bad = [
        f"bad-{n},Bad thing {n},images/{name},,x,,,\n" for n, name in enumerate([*IMAGE_DAMAGE, "folder", "link.jpg"])
    ]
    for name, (content, _) in IMAGE_DAMAGE.items():
        if content is not None:
            (tmp_path / "images" / name).write_bytes(content)
    (tmp_path / "images/folder").mkdir()
    (tmp_path / "images/link.jpg").symlink_to("/etc/hostname")
    at = {"first": 1, "middle": 16, "last": len(lines)}[place]
    source.write_text("".join(lines[:at] + bad + lines[at:]))
    found, written = prepare(source, max_reject_share=0.5, picture_max_bytes=200_000)
    reasons = {row["item_id"]: row["reason"] for row in found.rejects.to_pylist()}
    wanted = [*(reason for _, reason in IMAGE_DAMAGE.values()), "picture_not_found", "picture_outside_root"]
    assert reasons == {f"bad-{n}": reason for n, reason in enumerate(wanted)}
    assert set(reasons.values()) <= set(REJECT_REASONS)
    assert found.items.num_rows == 30 and len(written) == 30
    assert [row["row"] for row in found.rejects.to_pylist()] == [at - 1 + n for n in range(len(bad))]
    for row in found.rejects.to_pylist():
        assert row["detail"] and row["source"].startswith("shop.csv:")
        assert f"images/{[*IMAGE_DAMAGE, 'folder', 'link.jpg'][int(row['item_id'][4:])]}" in row["source"]


def test_too_many_rejects_stop_the_run_and_lose_nothing(tmp_path: Path) -> None:
    extra = "".join(f",no id {n},images/1.jpg,,,,,\n" for n in range(3)) + "900,Gone,images/gone.jpg,,,,,\n"
    source = make_shop(tmp_path, extra=extra)
    with pytest.raises(TooManyRejects) as caught:
        prepare(source)
    message = str(caught.value)
    for words in (
        "4 of 34 rows",
        "11.8%",
        "5.0%",
        "missing_id 3 times",
        "picture_not_found 1 times",
        "max_reject_share",
    ):
        assert words in message
    assert isinstance(caught.value, CatalogError) and caught.value.rejects.num_rows == 4
    assert pickle.loads(pickle.dumps(caught.value)).rejects.num_rows == 4  # noqa: S301  # it crosses processes
    assert prepare(source, max_reject_share=0.12)[0].items.num_rows == 30


def test_an_empty_catalogue_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "shop.csv"
    source.write_text(HEADER)
    with pytest.raises(CatalogError, match="has no rows"):
        prepare(source)
    source.write_text(HEADER + "1,Mug,gone.jpg,,,,,\n")
    with pytest.raises(CatalogError, match="no item is left"):
        prepare(source, max_reject_share=1.0)


def test_the_share_of_a_subset_speaks_for_the_whole() -> None:
    assert reject_share(100, 10, 90, 9) == pytest.approx(0.19)
    assert reject_share(100_000, 1_000, 100, 1) == pytest.approx(0.0199)


def test_a_server_that_does_not_answer_stops_the_run(tmp_path: Path) -> None:
    """Doing it again may help, so it must not become a reject."""
    config = CatalogConfig(source=str(make_shop(tmp_path)))
    files = open_source(config.root)

    class Flaky:
        root = files.root
        list = staticmethod(files.list)

        read = staticmethod(files.read)
        versions = staticmethod(files.versions)

        def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
            if uri.endswith("17.jpg"):
                raise SourceUnavailable("503")
            return files.read_changed(uri, version, limit_bytes)

    with pytest.raises(SourceUnavailable):
        prepare_catalog(config, Flaky(), write_image=lambda *_: None)


def test_one_image_for_several_items_is_read_and_written_once(tmp_path: Path) -> None:
    source = make_shop(
        tmp_path, extra="500,Other thing,images/3.jpg,,Toys,,,\n501,Third thing,images/copy.jpg,,Toys,,,\n"
    )
    (tmp_path / "images/copy.jpg").write_bytes((tmp_path / "images/3.jpg").read_bytes())
    found, written = prepare(source)
    assert found.items.num_rows == 32 and len(written) == found.summary["pictures"] == 30
    rows = [row for row in found.items.to_pylist() if row["item_id"] in ("003", "500", "501")]
    assert len({row["image_sha256"] for row in rows}) == 1
    assert len({row["split"] for row in rows} - {"unused"}) == 1


def test_a_growing_shop_keeps_its_splits_and_changes_are_told_apart(tmp_path: Path) -> None:
    source = make_shop(tmp_path, 30)
    old, _ = prepare(source, split_seed="a")
    text = (source.read_text() + "200,New mug,images/new.jpg,,Kitchen,,,\n").replace("000,Mug", "00x,Mug")
    text = text.replace("005,Mug model cc", "005,Mug model cc fine").replace(",7.50,", ",99,")
    source.write_text(text)
    (tmp_path / "images/new.jpg").write_bytes(encode("yellow"))
    (tmp_path / "images/9.jpg").write_bytes(encode("black"))
    new, _ = prepare(source, parent=old.items, split_seed="another")
    changes = compare(old.items, new.items)
    assert (changes.new, changes.gone) == (["00x", "200"], ["000"])
    assert (changes.text_changed, changes.image_changed, changes.metadata_only) == (["005"], ["009"], ["007"])
    assert len(changes.unchanged) == 26
    before, after = splits_of(old.items), splits_of(new.items)
    assert all(after[item] == split for item, split in before.items() if item in after)
    assert after["00x"] == before["001"]  # a new colour joins the split of its design


def test_a_subset_has_the_shares_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = [f"{n},Thing number {'x' * n},images/{n}.jpg,,Kitchen,,,\n" for n in range(300)]
    for n in range(300):
        (tmp_path / f"images/{n}.jpg").write_bytes(encode((n % 256, n // 256, 7), size=(8, 8)))
    (tmp_path / "shop.csv").write_text(HEADER + "".join(rows))
    splits = prepare(tmp_path / "shop.csv", max_items=150)[0].summary["splits"]
    assert sum(splits.values()) == 150
    assert 105 <= splits["train"] <= 135 and splits["val"] >= 5 and splits["test"] >= 5


@given(st.integers(1, 25), st.sets(st.integers(0, 25), max_size=8))
@settings(max_examples=10, deadline=None)
def test_any_subset_is_deterministic_and_within_its_size(most: int, gone: set[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source = make_shop(Path(folder), 26)
        for n in gone:
            (Path(folder) / f"images/{n}.jpg").unlink()
        try:
            found, _ = prepare(source, max_items=most, max_reject_share=1.0)
        except TooManyRejects:
            return
        assert found.items.num_rows + found.rejects.num_rows == min(most, 26)
        assert found.items.equals(prepare(source, max_items=most, max_reject_share=1.0)[0].items)
