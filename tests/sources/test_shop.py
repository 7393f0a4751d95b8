"""The shop's own files: read below the root, refused outside of it."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tasks.schema.errors import ConfigError, SourceMissing, SourceRefused, SourceUnavailable
from tasks.schema.files import SourceFiles
from tasks.sources.shop import open_source
from tasks.store.objects.s3_clients import open_s3fs
from tasks.store.objects.settings import StoreSettings


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "pics" / "deep").mkdir(parents=True)
    (root / "items.csv").write_text("id\n")
    (root / "pics" / "a b.jpg").write_bytes(b"picture a")
    (root / "pics" / "ü.jpg").write_bytes(b"picture u")
    (root / "pics" / "note.txt").write_bytes(b"")
    (root / "pics" / "deep" / "c.jpg").write_bytes(b"picture c")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "shop2").mkdir()
    (tmp_path / "shop2" / "x").write_bytes(b"other shop")
    return root


def test_files_below_the_root_are_read(shop: Path) -> None:
    for uri in (str(shop), shop.as_uri(), str(shop / "items.csv"), f"{shop}/"):
        files = open_source(uri)
        assert files.read("pics/a b.jpg") == b"picture a"
        assert files.read(".\\pics\\deep\\..\\a b.jpg") == b"picture a"
        assert files.read(str(shop / "pics" / "a b.jpg")) == b"picture a"
        assert files.read((shop / "pics" / "ü.jpg").as_uri()) == b"picture u"
        assert files.read("pics/note.txt", limit_bytes=0) == b""
        assert files.list("pics", ".jpg") == ["pics/a b.jpg", "pics/ü.jpg"]
        assert files.list("", ".csv") == ["items.csv"] == files.list(".", ".csv")


@pytest.mark.parametrize(
    "uri",
    [
        "../secret",
        "pics/../../secret",
        "..\\secret",
        "{top}/secret",
        "file://{top}/secret",
        "file://{top}/shop/../secret",
        "{top}/shop2/x",
        "/etc/passwd",
        "link",
        "out/secret",
        "C:\\Windows\\win.ini",
        "\\\\server\\share\\x",
        "s3://other/secret",
        "gs://other/secret",
        "ftp://host/secret",
        "",
        ".",
        "pics/a\0b",
    ],
)
def test_nothing_outside_the_root_is_read(shop: Path, uri: str) -> None:
    (shop / "link").symlink_to(shop.parent / "secret")
    (shop / "out").symlink_to(shop.parent)
    (shop / "loop").symlink_to(shop / "loop")
    files = open_source(str(shop))
    with pytest.raises(SourceRefused):
        files.read(uri.format(top=shop.parent))
    with pytest.raises((SourceRefused, SourceMissing)):
        files.read("loop")


def test_a_link_within_the_root_is_followed(shop: Path) -> None:
    (shop / "again.jpg").symlink_to(shop / "pics" / "a b.jpg")
    assert open_source(str(shop)).read("again.jpg") == b"picture a"
    linked_root = shop.parent / "entrance"
    linked_root.symlink_to(shop)
    files = open_source(str(linked_root))
    assert files.read("pics/a b.jpg") == files.read(f"{linked_root}/pics/a b.jpg") == b"picture a"
    assert files.read(f"{shop}/pics/a b.jpg") == b"picture a"


def test_images_may_lie_at_a_second_root(shop: Path) -> None:
    files = open_source(str(shop), images_root=str(shop.parent / "shop2"))
    assert files.read(f"{shop.parent}/shop2/x") == b"other shop"
    with pytest.raises(SourceRefused):
        files.read(f"{shop.parent}/secret")


def test_absent_files_and_limits_are_told(shop: Path) -> None:
    files = open_source(str(shop))
    for uri in ("pics/none.jpg", "items.csv/x", "pics", "none/none"):
        with pytest.raises(SourceMissing):
            files.read(uri)
    with pytest.raises(SourceMissing):
        files.list("none")
    assert files.read("pics/a b.jpg", limit_bytes=9) == b"picture a"
    with pytest.raises(SourceRefused, match="larger than the limit of 8 bytes"):
        files.read("pics/a b.jpg", limit_bytes=8)
    with pytest.raises(SourceMissing, match="does not exist"):
        open_source(str(shop / "nowhere"))
    with pytest.raises(ConfigError, match="the source"):
        open_source("gs://bucket/x")


def test_an_unchanged_file_is_not_read(shop: Path) -> None:
    image = shop / "pics" / "a b.jpg"
    os.utime(image, (1_700_000_000, 1_700_000_000))
    files = open_source(str(shop))
    data, version = files.read_changed("pics/a b.jpg", "")
    assert data == b"picture a" and version
    for uri in ("pics/a b.jpg", str(image), image.as_uri()):
        assert files.read_changed(uri, version) == (None, version)
    image.write_bytes(b"picture b")  # as long as before
    os.utime(image, (1_700_000_001, 1_700_000_001))
    data, later = files.read_changed("pics/a b.jpg", version)
    assert data == b"picture b" and later != version
    with pytest.raises(SourceMissing):
        files.read_changed("pics/none.jpg", version)
    with pytest.raises(SourceRefused):
        files.read_changed("../secret", version)


def test_all_versions_at_once_are_those_of_each(shop: Path, tmp_path: Path) -> None:
    for name in ("a b.jpg", "deep/c.jpg"):
        os.utime(shop / "pics" / name, (1_700_000_000, 1_700_000_000))
    (shop / "pics" / "link.jpg").symlink_to(shop / "pics" / "a b.jpg")
    (shop / "pics" / "out.jpg").symlink_to(tmp_path)
    (shop / "away").symlink_to(tmp_path)
    files = open_source(str(shop))
    there = ["pics/a b.jpg", str(shop / "pics" / "a b.jpg"), "pics/link.jpg", "pics/deep/c.jpg"]
    found = files.versions(there)
    assert found == [files.read_changed(uri, "").version for uri in there] and all(found)
    gone = [
        "pics/none.jpg",
        "none/a.jpg",
        "../secret",
        "pics/out.jpg",
        "away/x.jpg",
        "https://x.test/a.jpg",
        "s3://b/a",
    ]
    assert files.versions(gone) == [""] * len(gone)


def test_a_file_just_written_has_no_version(shop: Path) -> None:
    assert open_source(str(shop)).read_changed("pics/a b.jpg", "") == (b"picture a", "")


def _filled_bucket(settings: StoreSettings, bucket: str, public: bool = False) -> str:
    assert settings.aws_access_key_id and settings.aws_secret_access_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.aws_endpoint_url,
        aws_access_key_id=settings.aws_access_key_id.get_secret_value(),
        aws_secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    top = f"src-{uuid.uuid4().hex[:8]}"
    for key, data in {
        "shop/items.csv": b"id\n",
        "shop/pics/a b.jpg": b"picture a",
        "shop/pics/empty.jpg": b"",
        "shop/pics/deep/c.jpg": b"c",
        "secret": b"secret",
    }.items():
        client.put_object(Bucket=bucket, Key=f"{top}/{key}", Body=data, **({"ACL": "public-read"} if public else {}))
    if public:
        client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    return f"s3://{bucket}/{top}"


def _reads_a_bucket(files: SourceFiles, top: str) -> None:
    assert files.read("pics/a b.jpg", limit_bytes=9) == b"picture a"
    assert files.read(f"{top}/shop/pics/a b.jpg") == b"picture a"
    assert files.read("pics/empty.jpg", limit_bytes=100) == b""
    assert files.list("pics", ".jpg") == ["pics/a b.jpg", "pics/empty.jpg"]
    assert files.list("") == ["items.csv"]
    for uri in (f"{top}/secret", f"{top}/shop/../secret", "../secret", "s3://elsewhere/x", "/etc/passwd"):
        with pytest.raises(SourceRefused):
            files.read(uri)
    with pytest.raises(SourceMissing):
        files.read("pics/none.jpg", limit_bytes=9)
    with pytest.raises(SourceMissing):
        files.list("none")
    with pytest.raises(SourceRefused, match="limit of 8"):
        files.read("pics/a b.jpg", limit_bytes=8)


@pytest.mark.s3
@pytest.mark.parametrize("server", ["moto", "gateway"])
def test_a_bucket_is_read_as_a_folder_is(request: pytest.FixtureRequest, server: str) -> None:
    settings = request.getfixturevalue(f"{server}_store").settings
    top = _filled_bucket(settings, settings.store_uri.split("/")[2])
    for uri in (f"{top}/shop", f"{top}/shop/", f"{top}/shop/items.csv"):
        _reads_a_bucket(open_source(uri, settings=settings), top)


@pytest.mark.s3
@pytest.mark.parametrize("server", ["moto", "gateway"])
def test_an_unchanged_object_is_not_read(request: pytest.FixtureRequest, server: str) -> None:
    settings = request.getfixturevalue(f"{server}_store").settings
    top = _filled_bucket(settings, settings.store_uri.split("/")[2])
    files = open_source(f"{top}/shop", settings=settings)
    data, version = files.read_changed("pics/a b.jpg", "", limit_bytes=9)
    assert data == b"picture a" and version
    open_s3fs(settings, settings.aws_endpoint_url).pipe_file(f"{top}/shop/pics/deep/c.jpg", b"d")
    again = open_source(f"{top}/shop", settings=settings)
    assert again.read_changed(f"{top}/shop/pics/a b.jpg", version) == (None, version)
    assert again.versions(["pics/a b.jpg", "pics/none.jpg", "none/none.jpg"]) == [version, "", ""]
    c_before = files.read_changed("pics/deep/c.jpg", "").version
    open_s3fs(settings, settings.aws_endpoint_url).pipe_file(f"{top}/shop/pics/deep/c.jpg", b"e")
    data, c_after = open_source(f"{top}/shop", settings=settings).read_changed("pics/deep/c.jpg", c_before)
    assert data == b"e" and c_after not in ("", c_before)
    for uri in ("pics/none.jpg", "none/none.jpg"):
        with pytest.raises(SourceMissing):
            again.read_changed(uri, version)


@pytest.mark.s3
def test_versions_of_a_folder_cost_one_listing(proxy, make_moto_store) -> None:
    settings = make_moto_store(proxy.endpoint, "x").settings
    top = _filled_bucket(settings, "shop")
    known = open_source(f"{top}/shop", settings=settings)
    versions = {uri: known.read_changed(uri, "").version for uri in ("pics/a b.jpg", "pics/empty.jpg")}
    proxy.seen.clear()
    files = open_source(f"{top}/shop", settings=settings)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(files.read_changed, uri, version) for uri, version in versions.items() for _ in range(20)]
        assert all(one.result().data is None for one in asked)
    assert sum(proxy.seen.values()) == 1


@pytest.mark.s3
def test_a_public_bucket_needs_no_credentials(moto_store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    top = _filled_bucket(moto_store.settings, "shop", public=True)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the store's server is not the shop's
    monkeypatch.setenv("SOURCE_ENDPOINT_URL", moto_store.settings.aws_endpoint_url)
    _reads_a_bucket(open_source(f"{top}/shop", anonymous=True), top)


@pytest.mark.s3
def test_a_shop_that_does_not_answer_is_worth_a_retry(proxy, make_moto_store) -> None:
    settings = make_moto_store(proxy.endpoint, "x", store_tries=2).settings
    top = _filled_bucket(settings, "shop")
    files = open_source(f"{top}/shop", settings=settings)
    proxy.faults[("GET", "/items.csv")] = [503, 500, 503, 500]
    with pytest.raises(SourceUnavailable):
        files.read("items.csv")
    with pytest.raises(SourceUnavailable):
        files.read("items.csv", limit_bytes=10)
    proxy.faults[("GET", "/items.csv")] = [503]
    assert files.read("items.csv") == b"id\n"
