"""A shop of which nothing changed is not read again, and one of which anything changed is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.catalog import prepare
from tasks.catalog.config import CatalogConfig
from tasks.catalog.fingerprint import images_digest
from tasks.catalog.image_reader import SourceImage, StoredImage, sources_of
from tasks.schema.progress import silent
from tasks.stages import preparation
from tasks.store.artifacts.images import image_path
from tests.conftest import COLORS, TinyShop

if TYPE_CHECKING:
    from tasks.schema.manifest import ArtifactRef
    from tasks.stages.unchanged import StoredCatalog

YESTERDAY = 1_700_000_000
ONE, TWO, THREE = (f"{color}.jpg" for color in tuple(COLORS)[:3])
LAST = tuple(COLORS)[-1]


@dataclass
class Reader:
    """Prepares the catalogue of a small shop; ``readings`` counts how often its table was understood."""

    shop: TinyShop
    folder: Path
    readings: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    def __call__(self, parent: ArtifactRef | None = None, **parameters: Any) -> StoredCatalog:
        source = {"source": str(self.folder / "products.csv"), "max_reject_share": 0.9}
        config = CatalogConfig(**{**source, **self.parameters, **parameters})
        return preparation.prepare_catalog(self.shop.store, config, parent, silent)

    def write(self, name: str, data: bytes, at: int = YESTERDAY) -> None:
        (self.folder / name).write_bytes(data)
        os.utime(self.folder / name, (at, at))


@pytest.fixture
def read(own_store: TinyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader(own_store, tmp_path)
    understand = prepare.prepare_catalog

    def counting(*args: Any, **more: Any) -> prepare.PreparedCatalog:
        reader.readings += 1
        return understand(*args, **more)

    monkeypatch.setattr(prepare, "prepare_catalog", counting)
    for name in (ONE, TWO, THREE):
        reader.write(name, own_store.image(name.removesuffix(".jpg"), "chair"))
    table = f'id,title,image\n1,Chair,"{ONE}, {TWO}"\n2,Bench,{TWO}\n3,Stool,none.jpg\n'
    reader.write("products.csv", table.encode())
    return reader


def test_nothing_changed(read: Reader) -> None:
    first = read()
    assert (first.summary["items"], first.summary["rejected"], first.summary["pictures_read"]) == (2, 1, 2)
    again = read()
    assert read.readings == 1
    assert again.ref == first.ref and again.rejects.equals(first.rejects)
    assert again.summary == dict(first.summary) | {"pictures_read": 0}
    assert read(first.ref).ref == first.ref and read.readings == 1, "the night after it is the same shop"


def test_a_touched_file_is_looked_at_and_changes_nothing(read: Reader) -> None:
    first = read()
    for name in (ONE, "products.csv"):
        os.utime(read.folder / name, (YESTERDAY + 9, YESTERDAY + 9))
    again = read()
    assert (again.ref, again.summary["pictures_read"], read.readings) == (first.ref, 1, 1)
    assert (read().summary["pictures_read"], read.readings) == (0, 1)


def _retitle(read: Reader) -> None:
    read.write("products.csv", (read.folder / "products.csv").read_bytes().replace(b"Bench", b"Bank"))


def _replace_own_image(read: Reader) -> None:
    read.write(TWO, read.shop.image(LAST, "lamp"), YESTERDAY + 1)


def _deliver_missing_image(read: Reader) -> None:
    read.write("none.jpg", read.shop.image(LAST, "lamp"))


def _remove_image(read: Reader) -> None:
    (read.folder / TWO).unlink()


@pytest.mark.parametrize("change", [_retitle, _replace_own_image, _deliver_missing_image, _remove_image])
def test_any_change_is_read(read: Reader, change: Callable[[Reader], None]) -> None:
    first = read()
    change(read)
    second = read(first.ref)
    assert read.readings == 2 and second.ref != first.ref
    assert read(first.ref).ref == second.ref and read.readings == 2, "until it is live, from the same parent"
    assert read(second.ref).ref == second.ref and read.readings == 2


def test_another_config_another_parent_and_a_wish_are_read(read: Reader) -> None:
    first = read()
    read(category_level=2)
    assert read.readings == 2
    read(reread_pictures=True)
    assert read.readings == 3
    _retitle(read)
    other = read()
    read(other.ref)
    assert read.readings == 4
    read(first.ref)
    assert read.readings == 5, "splits are kept of another catalogue"


def test_what_the_store_lost_is_made_again(read: Reader) -> None:
    first = read()
    store = read.shop.store
    for row in store.read_table(f"{first.ref.folder}/items.parquet").to_pylist():
        store.delete(image_path(row["image_sha256"]))
    again = read()
    assert again.ref == first.ref and again.summary["pictures_read"] == 2
    for row in store.read_table(f"{first.ref.folder}/items.parquet").to_pylist():
        assert store.exists(image_path(row["image_sha256"]))
    readings = read.readings
    store.delete(f"{first.ref.folder}/manifest.json")
    assert read().ref == first.ref and read.readings == readings + 1
    [note] = [info.path for info in store.list("sources") if info.path.endswith(".json")]
    store.write_bytes(note, b'{"settings": 1')
    assert read().ref == first.ref and read.readings == readings + 2


def test_images_inside_a_table_and_files_called_like_ids(read: Reader, own_store: TinyShop) -> None:
    images = pa.array([own_store.image(color, "chair") for color in tuple(COLORS)[:2]])
    pq.write_table(
        pa.table({"id": ["1", "2"], "title": ["Chair", "Bench"], "image": images}), read.folder / "t.parquet"
    )
    inside = read(source=str(read.folder / "t.parquet"))
    assert read(source=str(read.folder / "t.parquet")).ref == inside.ref and read.readings == 1
    (read.folder / "named").mkdir()
    read.write("named/products.csv", b"id,title\na,Chair\nb,Bench\n")
    for name in "ab":
        read.write(f"named/{name}.jpg", own_store.image("red", "chair" if name == "a" else "lamp"))
    named = read(source=str(read.folder / "named/products.csv"))
    assert read(source=str(read.folder / "named/products.csv")).ref == named.ref and read.readings == 2


def test_parts_that_come_and_go_leave_no_trace(read: Reader) -> None:
    (read.folder / "parts").mkdir()
    for day in range(3):
        for part in read.folder.glob("parts/*.csv"):
            part.unlink()
        read.write(f"parts/{day}-a.csv", f"id,title,image\n1,Chair {day},{ONE}\n".encode())
        read.write(f"parts/{day}-b.csv", f"id,title,image\n2,Bench,{TWO}\n".encode())
        made = read(source=str(read.folder / "parts"), images_root=str(read.folder))
        assert read(source=str(read.folder / "parts"), images_root=str(read.folder)).ref == made.ref
        assert read.readings == day + 1
    [note] = [info.path for info in read.shop.store.list("sources") if info.path.endswith(".json")]
    assert sum("read" in call for call in read.shop.store.read_json(note)["asked"]) == 2


def test_the_digest_is_of_what_was_found_alone() -> None:
    rows = [SourceImage("v1", StoredImage("a" * 64, 9, 9, "b" * 64)), SourceImage("", StoredImage("c" * 64, 9, 9, "d"))]
    later = [SourceImage("v2", rows[0].found), SourceImage("w", rows[1].found)]
    assert images_digest(sources_of(["x", "y"], rows)) == images_digest(sources_of(["y", "x"], later[::-1]))
    assert images_digest(sources_of(["x", "y"], rows)) != images_digest(sources_of(["x", "z"], rows))
    assert images_digest(sources_of(["x"], rows[:1])) != images_digest(sources_of(["x"], rows[1:]))
