"""Artifacts: the manifest makes them whole, and a local copy is what the manifest says."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, StoreUnavailable
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.store.artifacts.cache import fetch, prune_cache
from tasks.store.artifacts.claims import claim_artifact
from tasks.store.artifacts.commit import commit, delete_artifact
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.checksum import add_checksum
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store

_CHECKOUT = Path(__file__).resolve().parents[2]
REF = ArtifactRef(kind="model", id="m1")


def filled(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def committed(store: Store, folder: Path, id: str = "m1", **files: bytes) -> Manifest:
    return commit(
        store, "model", id, filled(folder, **files), recipe=1, parents={}, parameters={}, summary={}, rows=None
    )


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_what_is_committed_is_fetched(store: Store, tmp_path: Path) -> None:
    folder = filled(tmp_path / "out", weights=os.urandom(100_000), figures__a=b"svg", empty=b"")
    catalog = ArtifactRef(kind="catalog", id="c1")
    manifest = commit(
        store,
        "model",
        "m1",
        folder,
        recipe=3,
        parents={"catalog": catalog},
        parameters={"lr": 1e-4},
        summary={"loss": 1.5},
        rows={"weights": 7},
    )
    assert load_manifest(store, REF) == manifest == claim_artifact(store, REF)
    assert manifest.parents == {"catalog": catalog} and manifest.recipe == 3 and manifest.summary == {"loss": 1.5}
    assert manifest.file("weights").rows == 7 and manifest.file("figures/a").rows is None
    assert {"numpy", "torch", "prefect"} <= manifest.libraries.keys()
    assert manifest.code_version not in ("", "unknown")
    assert contents(fetch(store, REF)) == contents(folder)


def test_the_manifest_goes_last(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = type(store).upload

    def fails_at_b(self: Store, path: str, file: Path) -> tuple[int, str]:
        if path.endswith("/b"):
            raise StoreUnavailable("killed here")
        return upload(self, path, file)

    committed(store, tmp_path / "first", a=b"old a", b=b"old b")
    with monkeypatch.context() as patched:
        patched.setattr(type(store), "upload", fails_at_b)
        for id in ("m1", "m2"):  # over an older artifact, and a new one
            with pytest.raises(StoreUnavailable):
                committed(store, tmp_path / "second", id, a=b"new a", b=b"new b")
            assert claim_artifact(store, ArtifactRef(kind="model", id=id)) is None
    assert list_artifacts(store, "model") == []
    committed(store, tmp_path / "second")
    assert contents(fetch(store, REF)) == {"a": b"new a", "b": b"new b"}


def test_an_artifact_made_anew_leaves_nothing_of_the_old(store: Store, tmp_path: Path) -> None:
    committed(store, tmp_path / "first", a=b"old", gone=b"x")
    first = fetch(store, REF)
    committed(store, tmp_path / "second", a=b"new")
    second = fetch(store, REF)
    assert contents(second) == {"a": b"new"}
    assert contents(first) == {"a": b"old", "gone": b"x"}, "a copy that somebody reads was changed"
    assert sorted(info.path for info in store.list("models/m1")) == ["models/m1/a", "models/m1/manifest.json"]


def test_damage_in_the_store_is_found(store: Store, tmp_path: Path) -> None:
    committed(store, tmp_path / "out", a=b"0123456789", b=b"fine")
    for damaged in (b"0123456780", b"01234", b""):
        store.write_bytes("models/m1/a", damaged)
        with pytest.raises(ArtifactCorrupt, match="models/m1/a"):
            fetch(store, REF)
    assert (fetch(store, REF, only=["b"]) / "b").read_bytes() == b"fine"
    store.delete("models/m1/a")
    with pytest.raises(ArtifactMissing):
        fetch(store, REF)
    store.write_bytes("models/m1/a", b"0123456789")
    assert (fetch(store, REF) / "a").read_bytes() == b"0123456789"


def test_damage_in_the_cache_is_repaired(folder_store: Store, tmp_path: Path) -> None:
    committed(folder_store, tmp_path / "out", a=b"0123456789", b=b"fine")
    folder = fetch(folder_store, REF)
    for damage in (
        lambda: (folder / "a").write_bytes(b"0123456780"),  # same size
        lambda: (folder / "a").write_bytes(b"01"),
        lambda: (folder / "a").unlink(),
        lambda: (folder / ".verified").unlink(),
        lambda: (folder / ".verified").write_text("{"),
        lambda: ((folder / ".verified").unlink(), (folder / "a").write_bytes(b"0123456780")),
    ):
        damage()
        assert contents(fetch(folder_store, REF)) == {"a": b"0123456789", "b": b"fine"}


@pytest.mark.s3
def test_a_download_that_was_damaged_is_fetched_once_more(
    moto_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(moto_store, tmp_path / "out", a=b"0123456789")
    download, damaged = type(moto_store).download, [2]

    def flips(self: Store, path: str, file: Path) -> tuple[int, str]:
        found = download(self, path, file)
        damaged[0] -= 1
        return (found[0], "0" * 64) if damaged[0] >= 0 else found

    monkeypatch.setattr(type(moto_store), "download", flips)
    damaged[0] = 1
    assert contents(fetch(moto_store, REF)) == {"a": b"0123456789"}
    prune_cache(moto_store, keep=[], unused_for=-1)
    damaged[0] = 2
    with pytest.raises(ArtifactCorrupt):
        fetch(moto_store, REF)


@pytest.mark.s3
def test_only_what_is_asked_for_is_fetched_and_only_once(
    proxy, make_moto_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = make_moto_store(proxy.endpoint, f"fetch-{time.time_ns()}")
    committed(store, tmp_path / "out", big=b"x" * 1000, small=b"y")
    folder = fetch(store, REF, only=["small"])
    assert contents(folder) == {"small": b"y"}
    assert fetch(store, REF) == folder and fetch(store, REF) == folder
    assert proxy.seen[("GET", "small")] == 1 and proxy.seen[("GET", "big")] == 1
    with pytest.raises(ConfigError, match="nothere"):
        fetch(store, REF, only=["nothere"])


@pytest.mark.s3
def test_processes_that_fetch_at_once_download_once(
    proxy, make_moto_store: Callable[..., Store], tmp_path: Path
) -> None:
    prefix = f"flight-{time.time_ns()}"
    store = make_moto_store(proxy.endpoint, prefix)
    committed(store, tmp_path / "out", big=os.urandom(3_000_000))
    program = (
        "from tasks.store.artifacts.cache import fetch; from tasks.store.objects.store import open_store;"
        "from tasks.schema.manifest import ArtifactRef; import sys;"
        "print(len((fetch(open_store(), ArtifactRef(kind='model', id='m1')) / 'big').read_bytes()))"
    )
    environment = {
        **os.environ,
        "STORE_URI": store.root,
        "STORE_CACHE": str(tmp_path / "cache"),
        "AWS_ENDPOINT_URL": proxy.endpoint,
        "AWS_ACCESS_KEY_ID": "moto",
        "AWS_SECRET_ACCESS_KEY": "moto-secret",
    }
    command = [sys.executable, "-c", program]
    started = [
        subprocess.Popen(command, env=environment, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    threads = [threading.Thread(target=fetch, args=(store, REF)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.communicate(timeout=60)[0].strip() for process in started] == ["3000000"] * 3
    assert proxy.seen[("GET", "big")] == 1


def test_two_workers_that_make_the_same_artifact_do_not_mix_it(folder_store: Store, tmp_path: Path) -> None:
    for name in ("one", "two"):
        filled(tmp_path / name, **{f"f{i}": f"{name}{i}".encode() * 1000 for i in range(20)})
    for _ in range(5):
        threads = [threading.Thread(target=committed, args=(folder_store, tmp_path / name)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert contents(fetch(folder_store, REF)) in (contents(tmp_path / "one"), contents(tmp_path / "two"))


def test_artifacts_are_listed_newest_first_and_deleted(store: Store, tmp_path: Path) -> None:
    assert list_artifacts(store, "model") == []
    made = [committed(store, tmp_path / id, id, a=b"x" * 10) for id in ("b", "a", "c")]
    store.write_bytes("models/half/a", b"no manifest")
    store.write_bytes("models/bad/manifest.json", b"{}")
    assert [found.id for found in list_artifacts(store, "model")] == [manifest.id for manifest in reversed(made)]
    freed = delete_artifact(store, made[0].ref)
    assert freed > 10 and claim_artifact(store, made[0].ref) is None and store.list("models/b") == []
    assert delete_artifact(store, made[0].ref) == 0
    with pytest.raises(ArtifactCorrupt, match="refresh"):
        load_manifest(store, ArtifactRef(kind="model", id="bad"))
    with pytest.raises(ArtifactMissing, match="no model b"):
        load_manifest(store, made[0].ref)


def test_a_manifest_of_something_else_is_refused(folder_store: Store, tmp_path: Path) -> None:
    manifest = committed(folder_store, tmp_path / "out", a=b"x")
    folder_store.write_bytes("models/m2/manifest.json", add_checksum(manifest.model_dump(mode="json")))
    with pytest.raises(ArtifactCorrupt, match="expected models/m2"):
        load_manifest(folder_store, ArtifactRef(kind="model", id="m2"))


def test_a_folder_that_is_no_artifact_is_refused(folder_store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no file"):
        committed(folder_store, tmp_path / "empty")
    filled(tmp_path / "linked", a=b"x")
    (tmp_path / "linked" / "b").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match="link"):
        committed(folder_store, tmp_path / "linked")
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        committed(folder_store, filled(tmp_path / "m", **{"manifest.json": b"{}"}))
    with pytest.raises(ConfigError, match="rows name"):
        commit(folder_store, "model", "m1", filled(tmp_path / "r", a=b"x"), recipe=1, rows={"b": 1})
    assert folder_store.list() == []


def test_unused_copies_are_pruned(folder_store: Store, tmp_path: Path) -> None:
    kept = fetch(folder_store, committed(folder_store, tmp_path / "k", "kept", a=b"1").ref)
    old = fetch(folder_store, committed(folder_store, tmp_path / "o", "old", a=b"1").ref)
    new = fetch(folder_store, committed(folder_store, tmp_path / "n", "new", a=b"1").ref)
    for folder in (kept, old):
        os.utime(folder / ".verified", (time.time() - 9999,) * 2)
    assert prune_cache(folder_store, keep=[ArtifactRef(kind="model", id="kept")]) == 1
    assert kept.exists() and new.exists() and not old.exists()
    assert claim_artifact(folder_store, ArtifactRef(kind="model", id="old")) is not None


def test_the_code_version_can_be_told(tmp_path: Path) -> None:
    store = open_store(StoreSettings(store_uri=str(tmp_path / "s"), store_cache=tmp_path / "c", code_version="1.2.3"))
    manifest = committed(store, tmp_path / "out", a=b"x")
    assert manifest.code_version == "1.2.3"
    assert manifest.created_at.utcoffset() == timedelta(0)
    assert json.loads((tmp_path / "s/models/m1/manifest.json").read_text())["code_version"] == "1.2.3"
