"""Bytes, JSON and tables, on a folder and on two S3 servers."""

import os
import pickle
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, StoreUnavailable, TerminalError
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store


def test_what_is_written_is_read(store: Store) -> None:
    store.write_bytes("a/b.bin", b"one")
    store.write_bytes("a/b.bin", b"two")
    store.write_json("a/c.json", {"ä": [1, 2.5, None]})
    assert store.read_bytes("a/b.bin") == b"two"
    assert store.read_json("a/c.json") == {"ä": [1, 2.5, None]}
    assert store.exists("a/b.bin") and not store.exists("a")
    store.write_bytes("empty", b"")
    assert store.read_bytes("empty") == b""


def test_list_stays_in_its_folder(store: Store) -> None:
    for path in ("images/aa/1", "images/ab/22", "images2/x", "other"):
        store.write_bytes(path, path.encode())
    found = store.list("images")
    assert [info.path for info in found] == ["images/aa/1", "images/ab/22"]
    assert [info.size for info in found] == [len("images/aa/1"), len("images/ab/22")]
    assert all(info.modified.tzinfo is not None for info in found)
    assert [info.path for info in store.list()] == ["images/aa/1", "images/ab/22", "images2/x", "other"]
    assert store.list("nothing/here") == []


def test_a_listing_sees_what_was_written_and_removed_since(store: Store) -> None:
    store.write_bytes("d/one", b"1")
    assert len(store.list("d")) == 1
    store.write_bytes("d/two", b"2")
    assert len(store.list("d")) == 2
    store.delete("d/one")
    store.delete("d/one")
    assert [info.path for info in store.list("d")] == ["d/two"]


def test_absent_objects_are_named(store: Store) -> None:
    with pytest.raises(ArtifactMissing, match=r"no/such\.bin"):
        store.read_bytes("no/such.bin")
    with pytest.raises(ArtifactMissing):
        store.read_table("no/such.parquet")
    with pytest.raises(ArtifactMissing):
        store.read_table("no/such.parquet", ["a"])
    with pytest.raises(ArtifactMissing):
        store.download("no/such.bin", Path(os.devnull).parent / "shm" / "never")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "a/", "./a", "a\0b"])
def test_a_path_outside_the_root_is_refused(folder_store: Store, path: str) -> None:
    with pytest.raises(ConfigError):
        folder_store.write_bytes(path, b"x")


def test_tables_come_back_whole_or_by_column(store: Store) -> None:
    table = pa.table({"key": [f"k{i}" for i in range(5000)], "value": np.arange(5000.0)})
    store.write_table("t.parquet", table)
    assert store.read_table("t.parquet").equals(table)
    assert store.read_table("t.parquet", ["value"]).column_names == ["value"]


@pytest.mark.parametrize("columns", [None, ["value"]])
def test_a_damaged_table_is_found(store: Store, columns: list[str] | None) -> None:
    table = pa.table({"value": np.random.default_rng(1).normal(size=4000)})
    store.write_table("t.parquet", table)
    whole = store.read_bytes("t.parquet")
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1
    for damaged in (bytes(flipped), whole[:-100], whole[:10], b""):
        store.write_bytes("t.parquet", damaged)
        with pytest.raises(ArtifactCorrupt, match=r"t\.parquet"):
            store.read_table("t.parquet", columns)


def test_damaged_json_is_found(store: Store) -> None:
    store.write_bytes("x.json", b'{"a": ')
    with pytest.raises(ArtifactCorrupt, match=r"x\.json"):
        store.read_json("x.json")


def test_a_large_file_goes_up_and_comes_down(store: Store, tmp_path: Path) -> None:
    data = np.random.default_rng(2).bytes((70 << 20) + 3)  # three parts on S3
    (tmp_path / "big").write_bytes(data)
    sent = store.upload("big/file", tmp_path / "big")
    got = store.download("big/file", tmp_path / "back")
    assert sent == got and sent[0] == len(data)
    assert (tmp_path / "back").read_bytes() == data


def test_a_failed_write_leaves_the_old_object_and_no_scratch(folder_store: Store, tmp_path: Path) -> None:
    folder_store.write_bytes("a/x", b"old")
    with pytest.raises(TypeError):
        folder_store.write_bytes("a/x", "not bytes")  # type: ignore[arg-type]
    assert folder_store.read_bytes("a/x") == b"old"
    assert os.listdir(tmp_path / "store" / "a") == ["x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_told(folder_store: Store, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(TerminalError, match="may write"):
        folder_store.write_bytes("a", b"x")


def test_a_path_through_a_file_is_told(folder_store: Store) -> None:
    folder_store.write_bytes("a", b"x")
    with pytest.raises(TerminalError, match="a/b"):
        folder_store.write_bytes("a/b", b"x")
    assert folder_store.stat("a/b") is None


def test_urls_can_be_opened(folder_store: Store, tmp_path: Path) -> None:
    assert folder_store.url("e/report é.html") == (tmp_path / "store" / "e" / "report é.html").as_uri()


@pytest.mark.s3
def test_an_s3_url_names_bucket_and_prefix(moto_store: Store) -> None:
    assert moto_store.url("e/r.html") == f"{moto_store.root}/e/r.html"
    assert moto_store.root.startswith("s3://shop/t-")


def test_one_store_for_each_set_of_settings(tmp_path: Path) -> None:
    settings = StoreSettings(store_uri=str(tmp_path))
    assert open_store(settings) is open_store(StoreSettings(store_uri=str(tmp_path)))
    assert open_store(settings) is not open_store(StoreSettings(store_uri=str(tmp_path / "b")))
    assert pickle.loads(pickle.dumps(open_store(settings))) is open_store(settings)  # noqa: S301


@pytest.mark.parametrize("uri", ["s3://", "gs://bucket/x", "http://host/x", "file://elsewhere/x"])
def test_other_roots_are_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="STORE_URI"):
        open_store(StoreSettings(store_uri=uri))


@pytest.mark.s3
def test_trouble_that_passes_is_tried_again(proxy, make_moto_store) -> None:
    store = make_moto_store(proxy.endpoint, "retry")
    proxy.faults[("PUT", "/x")] = [503, "drop", "lose_answer"]
    store.write_bytes("x", b"data")
    proxy.faults[("GET", "/x")] = [500, "drop", 429]
    assert store.read_bytes("x") == b"data"
    assert proxy.seen[("PUT", "x")] == 4 and proxy.seen[("GET", "x")] == 4


@pytest.mark.s3
def test_trouble_that_stays_is_told_as_such(proxy, make_moto_store, tmp_path: Path) -> None:
    store = make_moto_store(proxy.endpoint, "down", store_tries=2)
    calls = {
        ("GET", "/x"): lambda: store.read_bytes("x"),
        ("PUT", "/x"): lambda: store.write_bytes("x", b"1"),
        ("HEAD", "/x"): lambda: store.exists("x"),
        ("GET", "/shop"): lambda: store.list("d"),
        ("DELETE", "/x"): lambda: store.delete("x"),
    }
    for key, call in calls.items():
        proxy.faults[key] = [503, 500]
        with pytest.raises(StoreUnavailable):
            call()
        assert proxy.faults[key] == []
    store.write_table("x", pa.table({"a": [1]}))
    proxy.faults[("GET", "/x")] = [503] * 8
    with pytest.raises(StoreUnavailable):
        store.read_table("x", ["a"])


@pytest.mark.s3
def test_what_cannot_pass_is_not_tried_again(proxy, make_moto_store, gateway) -> None:
    store = make_moto_store(proxy.endpoint, "denied")
    proxy.faults[("GET", "/x")] = [403]
    with pytest.raises(TerminalError, match="AWS_ACCESS_KEY_ID"):
        store.read_bytes("x")
    assert proxy.seen[("GET", "x")] == 1
    stranger = open_store(
        StoreSettings(
            store_uri=f"s3://{gateway.bucket}/x",
            aws_endpoint_url=gateway.endpoint,
            aws_access_key_id="stranger",
            aws_secret_access_key="not-the-secret",
        )
    )
    for call in (lambda: stranger.read_bytes("x"), lambda: stranger.list("x"), lambda: stranger.exists("x")):
        with pytest.raises(TerminalError, match="refused") as caught:
            call()
        assert "not-the-secret" not in str(caught.value)


@pytest.mark.s3
def test_a_missing_bucket_is_told(moto_endpoint: str) -> None:
    store = open_store(
        StoreSettings(
            store_uri="s3://nobody/x",
            aws_endpoint_url=moto_endpoint,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
    )
    for call in (lambda: store.write_bytes("x", b""), lambda: store.read_bytes("x"), lambda: store.list("x")):
        with pytest.raises(TerminalError, match="bucket does not exist"):
            call()


@pytest.mark.s3
def test_a_forked_child_may_use_the_store(moto_store: Store) -> None:
    moto_store.write_bytes("x", b"parent")
    moto_store.list("")
    child = os.fork()
    if child == 0:
        try:
            same = moto_store.read_bytes("x") == b"parent" and len(moto_store.list("")) == 1
            os._exit(0 if same else 3)
        except BaseException:
            os._exit(4)
    assert os.waitpid(child, 0)[1] == 0
