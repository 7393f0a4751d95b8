"""Images: named by their bytes, verified on reading."""

import hashlib
import time

import pyarrow as pa
import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, StoreUnavailable
from tasks.schema.tables import SOURCES
from tasks.store.artifacts.images import (
    has_images,
    image_writer,
    read_image,
    read_images,
    read_sources,
    write_image,
    write_sources,
)
from tasks.store.objects.store import Store


def an_image(i: int, size: int = 100) -> tuple[str, bytes]:
    data = (b"%d|" % i) * (size // len(b"%d|" % i))
    return hashlib.sha256(data).hexdigest(), data


def test_images_come_back_in_the_order_asked(store: Store) -> None:
    images = dict(an_image(i) for i in range(20))
    assert has_images(store) == set()
    with image_writer(store, threads=4) as write:
        for sha256, data in [*images.items(), *images.items()]:
            write(sha256, data)
    assert has_images(store) == set(images)
    order = [*reversed(images), *images]
    assert list(read_images(store, order, threads=4)) == [images[sha256] for sha256 in order]
    first = next(iter(images))
    assert store.read_bytes(f"images/{first[:2]}/{first}.jpg") == images[first]


def test_damaged_and_absent_images_are_told_apart(store: Store) -> None:
    sha256, data = an_image(1)
    with pytest.raises(ArtifactMissing, match=sha256):
        read_image(store, sha256)
    write_image(store, sha256, data)
    path = f"images/{sha256[:2]}/{sha256}.jpg"
    for damaged in (b"", data[:-1], data[:-1] + b"x"):
        store.write_bytes(path, damaged)
        with pytest.raises(ArtifactCorrupt, match=sha256):
            read_image(store, sha256)
    store.write_bytes(path, b"")  # as a power cut leaves it
    assert has_images(store) == set()
    write_image(store, sha256, data)
    assert read_image(store, sha256) == data


def test_a_wrong_name_is_refused(folder_store: Store) -> None:
    sha256, data = an_image(1)
    with pytest.raises(ConfigError, match="hash"):
        write_image(folder_store, sha256, data + b"x")
    for name in ("", "../../etc/passwd", sha256.upper(), sha256[:-1]):
        with pytest.raises(ConfigError):
            read_image(folder_store, name)


def test_an_image_that_is_there_is_not_written_again(folder_store: Store) -> None:
    sha256, data = an_image(1)
    write_image(folder_store, sha256, data)
    before = folder_store.list("images")
    write_image(folder_store, sha256, data)
    assert folder_store.list("images") == before


def test_the_writer_raises_what_failed(folder_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: str, data: bytes, durable: bool) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(folder_store.objects, "write", fails)
    with pytest.raises(StoreUnavailable, match="full"), image_writer(folder_store, threads=2) as write:
        for i in range(100):
            write(*an_image(i))
    with pytest.raises(StoreUnavailable, match="full"), image_writer(folder_store, threads=2) as write:
        write(*an_image(1))  # the only one: known on leaving
    with pytest.raises(KeyError), image_writer(folder_store) as write:
        raise KeyError("the caller's own error wins")


def test_reading_stops_at_the_first_fault(folder_store: Store) -> None:
    images = [an_image(i) for i in range(5)]
    for sha256, data in images[:3]:
        write_image(folder_store, sha256, data)
    found = read_images(folder_store, [sha256 for sha256, _ in images], threads=2)
    assert [next(found) for _ in range(3)] == [data for _, data in images[:3]]
    with pytest.raises(ArtifactMissing):
        next(found)


def test_three_thousand_images_take_seconds(folder_store: Store) -> None:
    images = [an_image(i, 5000) for i in range(3000)]
    began = time.perf_counter()
    for sha256, data in images:
        write_image(folder_store, sha256, data)
    assert time.perf_counter() - began < 10  # about 1 s on an idle disk
    assert len(has_images(folder_store)) == 3000


def test_what_is_known_of_a_shop_leaves_out_images_that_are_gone(store: Store) -> None:
    assert read_sources(store, "shop") is None
    images = dict(an_image(i) for i in range(3))
    for sha256, data in images.items():
        write_image(store, sha256, data)
    gone = next(iter(images))
    rows = [("bad.jpg", "v", "", "", 0, 0, "picture_empty", "no bytes")]
    rows += [(f"{i}.jpg", "v", sha256, sha256, 9, 9, "", "") for i, sha256 in enumerate(images)]
    table = pa.table(dict(zip(SOURCES.names, map(list, zip(*rows, strict=True)), strict=True)), schema=SOURCES)
    write_sources(store, "shop", table)
    assert read_sources(store, "shop") == table
    store.delete(f"images/{gone[:2]}/{gone}.jpg")
    known = read_sources(store, "shop")
    assert known is not None and known["image_sha256"].to_pylist() == ["", *list(images)[1:]]
    store.write_bytes("sources/shop.parquet", b"PAR1 damaged")
    assert read_sources(store, "shop") is None, "what saves work must not stop it"
