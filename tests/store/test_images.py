"""Pictures: named by their bytes, verified on reading."""

import hashlib
import time

import pyarrow as pa
import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, StoreUnavailable
from tasks.schema.tables import SOURCES
from tasks.store.artifacts.images import (
    has_pictures,
    picture_writer,
    read_picture,
    read_pictures,
    read_sources,
    write_picture,
    write_sources,
)
from tasks.store.objects.store import Store


def a_picture(i: int, size: int = 100) -> tuple[str, bytes]:
    data = (b"%d|" % i) * (size // len(b"%d|" % i))
    return hashlib.sha256(data).hexdigest(), data


def test_pictures_come_back_in_the_order_asked(store: Store) -> None:
    pictures = dict(a_picture(i) for i in range(20))
    assert has_pictures(store) == set()
    with picture_writer(store, threads=4) as write:
        for sha256, data in [*pictures.items(), *pictures.items()]:
            write(sha256, data)
    assert has_pictures(store) == set(pictures)
    order = [*reversed(pictures), *pictures]
    assert list(read_pictures(store, order, threads=4)) == [pictures[sha256] for sha256 in order]
    first = next(iter(pictures))
    assert store.read_bytes(f"images/{first[:2]}/{first}.jpg") == pictures[first]


def test_damaged_and_absent_pictures_are_told_apart(store: Store) -> None:
    sha256, data = a_picture(1)
    with pytest.raises(ArtifactMissing, match=sha256):
        read_picture(store, sha256)
    write_picture(store, sha256, data)
    path = f"images/{sha256[:2]}/{sha256}.jpg"
    for damaged in (b"", data[:-1], data[:-1] + b"x"):
        store.write_bytes(path, damaged)
        with pytest.raises(ArtifactCorrupt, match=sha256):
            read_picture(store, sha256)
    store.write_bytes(path, b"")  # as a power cut leaves it
    assert has_pictures(store) == set()
    write_picture(store, sha256, data)
    assert read_picture(store, sha256) == data


def test_a_wrong_name_is_refused(folder_store: Store) -> None:
    sha256, data = a_picture(1)
    with pytest.raises(ConfigError, match="hash"):
        write_picture(folder_store, sha256, data + b"x")
    for name in ("", "../../etc/passwd", sha256.upper(), sha256[:-1]):
        with pytest.raises(ConfigError):
            read_picture(folder_store, name)


def test_a_picture_that_is_there_is_not_written_again(folder_store: Store) -> None:
    sha256, data = a_picture(1)
    write_picture(folder_store, sha256, data)
    before = folder_store.list("images")
    write_picture(folder_store, sha256, data)
    assert folder_store.list("images") == before


def test_the_writer_raises_what_failed(folder_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: str, data: bytes, durable: bool) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(folder_store.objects, "write", fails)
    with pytest.raises(StoreUnavailable, match="full"), picture_writer(folder_store, threads=2) as write:
        for i in range(100):
            write(*a_picture(i))
    with pytest.raises(StoreUnavailable, match="full"), picture_writer(folder_store, threads=2) as write:
        write(*a_picture(1))  # the only one: known on leaving
    with pytest.raises(KeyError), picture_writer(folder_store) as write:
        raise KeyError("the caller's own error wins")


def test_reading_stops_at_the_first_fault(folder_store: Store) -> None:
    pictures = [a_picture(i) for i in range(5)]
    for sha256, data in pictures[:3]:
        write_picture(folder_store, sha256, data)
    found = read_pictures(folder_store, [sha256 for sha256, _ in pictures], threads=2)
    assert [next(found) for _ in range(3)] == [data for _, data in pictures[:3]]
    with pytest.raises(ArtifactMissing):
        next(found)


def test_three_thousand_pictures_take_seconds(folder_store: Store) -> None:
    pictures = [a_picture(i, 5000) for i in range(3000)]
    began = time.perf_counter()
    for sha256, data in pictures:
        write_picture(folder_store, sha256, data)
    assert time.perf_counter() - began < 10  # about 1 s on an idle disk
    assert len(has_pictures(folder_store)) == 3000


def test_what_is_known_of_a_shop_leaves_out_pictures_that_are_gone(store: Store) -> None:
    assert read_sources(store, "shop") is None
    pictures = dict(a_picture(i) for i in range(3))
    for sha256, data in pictures.items():
        write_picture(store, sha256, data)
    gone = next(iter(pictures))
    rows = [("bad.jpg", "v", "", "", 0, 0, "picture_empty", "no bytes")]
    rows += [(f"{i}.jpg", "v", sha256, sha256, 9, 9, "", "") for i, sha256 in enumerate(pictures)]
    table = pa.table(dict(zip(SOURCES.names, map(list, zip(*rows, strict=True)), strict=True)), schema=SOURCES)
    write_sources(store, "shop", table)
    assert read_sources(store, "shop") == table
    store.delete(f"images/{gone[:2]}/{gone}.jpg")
    known = read_sources(store, "shop")
    assert known is not None and known["image_sha256"].to_pylist() == ["", *list(pictures)[1:]]
    store.write_bytes("sources/shop.parquet", b"PAR1 damaged")
    assert read_sources(store, "shop") is None, "what saves work must not stop it"
