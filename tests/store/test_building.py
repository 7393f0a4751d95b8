"""Making an artifact: reused where it is stored, made again on request, and gone where making it failed."""

from pathlib import Path

import pytest

from tasks.schema.manifest import ArtifactRef
from tasks.store.artifacts.building import building
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store

PARENTS = {"catalog": ArtifactRef(kind="catalog", id="first")}


def make(store: Store, text: str, refresh: bool = False) -> tuple[ArtifactRef, bool]:
    with building(store, "evaluation", 1, PARENTS, {"k": 10}, refresh) as build:
        if build.reused:
            return build.ref, False
        (build.folder / "metrics.json").write_text(text)
        build.commit({"n": 1}, rows={"metrics.json": 1})
        return build.ref, True


def test_what_is_stored_is_reused_and_refresh_makes_it_again(folder_store: Store) -> None:
    first, made = make(folder_store, "one")
    assert made and make(folder_store, "two") == (first, False)
    assert folder_store.read_bytes(f"{first.folder}/metrics.json") == b"one"
    assert make(folder_store, "three", refresh=True) == (first, True)
    assert folder_store.read_bytes(f"{first.folder}/metrics.json") == b"three"
    manifest = load_manifest(folder_store, first)
    assert manifest.parents == PARENTS and manifest.parameters == {"k": 10} and manifest.summary == {"n": 1}


def test_what_fails_leaves_nothing(folder_store: Store) -> None:
    folders: list[Path] = []
    with pytest.raises(RuntimeError), building(folder_store, "evaluation", 1, PARENTS, {}) as build:
        folders.append(build.folder)
        (build.folder / "half").write_text("half")
        raise RuntimeError("killed")
    assert not folders[0].exists() and not folder_store.list("evaluations")
