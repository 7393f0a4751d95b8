"""A shop is read again only where it changed: what lay at each place is known by the source's version tags."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import SourceImage, StoredImage, sources_of
from tasks.catalog.images import JUDGE, ImageFault
from tasks.catalog.prepare import PreparedCatalog, prepare_catalog
from tasks.catalog.sources import sources_id
from tasks.schema.files import Reading, SourceFiles
from tasks.schema.tables import SOURCES
from tasks.sources.shop import open_source

YESTERDAY = 1_700_000_000


class Counting:
    """Counts what is read of a source."""

    def __init__(self, files: SourceFiles) -> None:
        self.root, self.list, self.read, self._files = files.root, files.list, files.read, files
        self.versions = files.versions
        self.reads: Counter[str] = Counter()

    def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
        reading = self._files.read_changed(uri, version, limit_bytes)
        self.reads[uri] += reading.data is not None
        return reading


def image(path: Path, color: str, at: int = YESTERDAY) -> None:
    """A BMP: its size does not tell its colour."""
    Image.new("RGB", (20, 20), color).save(path, "BMP")
    os.utime(path, (at, at))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    rows = "".join(f"{name},Mug {name},{name}.bmp\n" for name in ("red", "blue", "green", "empty", "text", "none"))
    (tmp_path / "shop.csv").write_text("id,title,image\n" + rows)
    for color in ("red", "blue", "green"):
        image(tmp_path / f"{color}.bmp", color)
    for name, data in (("empty", b""), ("text", b"<html></html>")):
        (tmp_path / f"{name}.bmp").write_bytes(data)
        os.utime(tmp_path / f"{name}.bmp", (YESTERDAY, YESTERDAY))
    return tmp_path


def read(shop: Path, sources: pa.Table | None = None, **config: object) -> tuple[PreparedCatalog, list[str]]:
    """The catalogue and the places whose bytes were read."""
    settings = CatalogConfig.model_validate({"source": str(shop / "shop.csv"), "max_reject_share": 0.9, **config})
    files = Counting(open_source(settings.root))
    found = prepare_catalog(settings, files, write_image=lambda *_: None, sources=sources)
    read = sorted(uri.removesuffix(".bmp") for uri, count in files.reads.items() if count)
    assert found.summary["pictures_read"] == len(read)
    return found, read


def known_sources(table: pa.Table | None) -> dict[str, SourceImage]:
    """What a SOURCES table says of each location."""
    rows = [] if table is None else table.to_pylist()
    return {row["location"]: SourceImage(row["version"], found_of(row)) for row in rows}


def found_of(row: dict[str, Any]) -> StoredImage | ImageFault:
    if row["reason"]:
        return ImageFault(row["reason"], row["detail"])
    return StoredImage(row["image_sha256"], row["image_width"], row["image_height"], row["source_sha256"])


def sources_table(known: dict[str, SourceImage]) -> pa.Table:
    return sources_of(list(known), list(known.values()))


def test_an_unchanged_shop_is_not_read_again(shop: Path) -> None:
    first, reads = read(shop)
    assert reads == ["blue", "empty", "green", "red", "text"]
    assert first.sources.schema.equals(SOURCES) and first.sources.num_rows == 5
    second, reads = read(shop, first.sources)
    assert reads == []
    assert second.items.equals(first.items) and second.rejects.equals(first.rejects)
    assert second.sources.equals(first.sources)


def test_an_image_replaced_in_place_is_noticed(shop: Path) -> None:
    first, _ = read(shop)
    size = (shop / "red.bmp").stat().st_size
    image(shop / "red.bmp", "orange", YESTERDAY + 1)
    assert (shop / "red.bmp").stat().st_size == size
    image(shop / "text.bmp", "gold", YESTERDAY + 1)
    (shop / "blue.bmp").unlink()
    second, reads = read(shop, first.sources)
    assert reads == ["red", "text"]
    before, after = (
        dict(zip(one.items["item_id"].to_pylist(), one.items["image_sha256"].to_pylist(), strict=True))
        for one in (first, second)
    )
    assert set(after) == {"red", "green", "text"} and after["green"] == before["green"] != after["red"] != before["red"]
    assert "blue.bmp" not in known_sources(second.sources)


def test_an_image_just_written_is_read_once_more(shop: Path) -> None:
    """The next write may fall into the same tick of the clock, and be of the same size."""
    image(shop / "red.bmp", "red", 4_000_000_000)
    first, _ = read(shop)
    assert "red.bmp" not in known_sources(first.sources)
    assert read(shop, first.sources)[1] == ["red"]


def test_a_touched_image_is_read_and_changes_nothing(shop: Path) -> None:
    first, _ = read(shop)
    os.utime(shop / "red.bmp", (YESTERDAY + 9, YESTERDAY + 9))
    second, reads = read(shop, first.sources)
    assert reads == ["red"] and second.items.equals(first.items)
    assert read(shop, second.sources)[1] == []


def test_what_is_known_is_of_one_shop_and_its_limits(shop: Path) -> None:
    config = CatalogConfig(source=str(shop / "shop.csv"))
    ids = {sources_id(config, str(shop)), sources_id(config, str(shop / "other"))}
    for limit in ("picture_side", "picture_max_bytes", "picture_max_pixels"):
        ids.add(sources_id(config.model_copy(update={limit: 99}), str(shop)))
    assert len(ids) == 5
    assert sources_id(config.model_copy(update={"picture_threads": 1, "test_share": 0.2}), str(shop)) in ids


def test_the_table_holds_images_and_faults_alike(shop: Path) -> None:
    first, _ = read(shop)
    known = known_sources(first.sources)
    assert sources_table(known).equals(first.sources) and known_sources(None) == {}


def test_what_an_older_judge_refused_is_read_again_and_what_it_accepted_is_not(shop: Path) -> None:
    first, _ = read(shop)
    older = {
        location: SourceImage(image.version.removesuffix(f" judge {JUDGE}"), image.found)
        for location, image in known_sources(first.sources).items()
    }
    older["green.bmp"] = SourceImage(older["green.bmp"].version, ImageFault("picture_animated", "of 2 frames"))
    second, reads = read(shop, sources_table(older))
    assert reads == ["empty", "green", "text"]
    assert second.items.equals(first.items) and second.sources.equals(first.sources)


def test_a_tracking_pixel_that_was_accepted_before_is_refused_now(shop: Path) -> None:
    Image.new("RGB", (1, 1)).save(shop / "red.bmp")
    os.utime(shop / "red.bmp", (YESTERDAY, YESTERDAY))
    known = known_sources(read(shop)[0].sources)
    version = known["red.bmp"].version.removesuffix(f" judge {JUDGE}")
    known["red.bmp"] = SourceImage(version, StoredImage("a" * 64, 1, 1, "b" * 64))
    second, reads = read(shop, sources_table(known))
    assert reads == ["red"] and "picture_too_small" in second.rejects["reason"].to_pylist()
    assert read(shop, second.sources)[1] == []
