"""A shop of a few one-byte images, published through the store's own functions, with next to nothing in each file."""

import hashlib
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import ArtifactRef, Kind, Manifest, artifact_id
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.claims import IMAGES, claim, claim_artifact, claimed
from tasks.store.artifacts.commit import commit
from tasks.store.artifacts.images import has_images, image_path, write_image
from tasks.store.artifacts.manifests import find_manifest, load_manifest
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import check_complete, claim_release, read_release, write_release
from tasks.store.releases.swap import swap_live

CHANNEL = "main"


def sha(image: int) -> str:
    """Hash of image number ``image``."""
    return hashlib.sha256(bytes([image])).hexdigest()


def make(
    store: Store, kind: Kind, parents: dict[str, ArtifactRef], what: object, files: dict[str, bytes]
) -> ArtifactRef:
    """Find or store an artifact, as the tasks do."""
    ref = ArtifactRef(kind=kind, id=artifact_id(kind, parents, {"what": what}, 1))
    if claim_artifact(store, ref) is None:
        with tempfile.TemporaryDirectory() as scratch:
            for name, data in files.items():
                (Path(scratch) / name).write_bytes(data)
            commit(store, kind, ref.id, Path(scratch), recipe=1, parents=parents, parameters={"what": what})
    return ref


def prepare(store: Store, shown: Iterable[int], parent: ArtifactRef | None = None) -> ArtifactRef:
    """Images and the catalogue that names them."""
    hashes = [sha(image) for image in sorted(shown)]
    with claimed(store, [IMAGES]):
        for image in sorted(shown):
            write_image(store, sha(image), bytes([image]))
        parents = {"previous": parent} if parent else {}
        data = table_bytes(pa.table({"image_sha256": hashes}))
        ref = ArtifactRef(kind="catalog", id=artifact_id("catalog", {}, {"hashes": hashes}, 1))
        if claim_artifact(store, ref) is None:
            with tempfile.TemporaryDirectory() as scratch:
                (Path(scratch) / "items.parquet").write_bytes(data)
                commit(store, "catalog", ref.id, Path(scratch), recipe=1, parents=parents)
    return ref


def images_of(store: Store, catalog: ArtifactRef) -> list[str]:
    """Hashes that a catalogue names."""
    load_manifest(store, catalog)
    return store.read_table(f"{catalog.folder}/items.parquet")["image_sha256"].to_pylist()


def embed(store: Store, model: ArtifactRef, catalog: ArtifactRef) -> None:
    """One shard of the vectors that are missing."""
    claim(store, [model.folder, catalog.folder], check_also=[f"{embeddings.FOLDER}/{model.id}"])
    missing = sorted(set(images_of(store, catalog)) - embeddings.covered(store, model.id))
    name = artifact_id("plan", {}, {"missing": missing}, 1)
    if missing and not embeddings.shard_exists(store, model.id, name):
        plan = pa.table({"shard": pa.array([0] * len(missing), pa.int32()), "image_sha256": missing})
        embeddings.write_plan(store, model.id, name, plan)
        embeddings.write_shard(store, model.id, name, missing, np.ones((len(missing), 1), np.float32))


def release_of(store: Store, shown: Iterable[int], weights: int) -> Release:
    """Everything from images to the release's record."""
    catalog = prepare(store, shown)
    trained_on = prepare(store, [weights])
    model = make(store, "model", {"catalog": trained_on}, weights, {"weights": b"w", "config": b"c"})
    embed(store, model, catalog)
    index = make(store, "index", {"model": model, "catalog": catalog}, 1, {"index.faiss": b"i", "items.parquet": b"p"})
    lexical = make(store, "lexical", {"catalog": catalog}, 1, {"lexical.json": b"{}", "words.parquet": b"p"})
    report = make(store, "evaluation", {"model": model, "catalog": trained_on}, 1, {"metrics.json": b"{}"})
    parts = {"catalog": catalog, "model": model, "index": index, "lexical": lexical}
    release_id = artifact_id("index", {**parts, "report": report}, {}, 1)
    release = claim_release(store, release_id) or write_release(
        store,
        Release(id=release_id, created_at=datetime.now(UTC), items=1, evaluations={"report": report}, **parts),  # type: ignore[arg-type]
    )
    check_complete(store, release)
    return release


def go_live(store: Store, release_id: str, run: str) -> LivePointer:
    """Promote or roll back to a stored release, as `tasks/publish.py` does."""
    release = claim_release(store, release_id) or read_release(store, release_id)
    check_complete(store, release)
    pointer = swap_live(store, CHANNEL, release_id, reason="test", run=run, expected=read_live(store, CHANNEL))
    check_complete(store, release)
    return pointer


def missing_of(store: Store, release_id: str) -> list[str]:
    """What a release needs, in this test's own words, and the store does not have."""
    try:
        release = read_release(store, release_id)
    except ArtifactMissing:
        return [f"releases/{release_id}"]
    made_of = everything_of(store, release)
    missing = [str(ref) for ref, manifest in made_of.items() if manifest is None]
    for ref, manifest in made_of.items():
        if manifest is not None:
            missing += [f"{ref}/{file.path}" for file in manifest.files if not store.exists(f"{ref}/{file.path}")]
    if not missing:
        shown = {sha for ref in made_of if ref.kind == "catalog" for sha in images_of(store, ref)}
        missing += [image_path(sha) for sha in shown - has_images(store)]
        vectors = embeddings.covered(store, release.model.id)
        missing += [f"vector of {sha}" for sha in images_of(store, release.catalog) if sha not in vectors]
    return missing


def everything_of(store: Store, release: Release) -> dict[ArtifactRef, Manifest | None]:
    """A release's parts, their parents, and so on; with the manifest of each that has one."""
    found: dict[ArtifactRef, Manifest | None] = {}
    waiting = list(release.refs)
    while waiting:
        ref = waiting.pop()
        if ref not in found:
            found[ref] = find_manifest(store, ref)
            if found[ref]:
                waiting += [parent for role, parent in found[ref].parents.items() if role != "previous"]
    return found


def objects_of(store: Store, releases: Iterable[Release]) -> set[str]:
    """Path of every object that these releases, and nothing else, would leave in a store."""
    paths: set[str] = set()
    made_of: dict[ArtifactRef, Manifest | None] = {}
    for release in releases:
        paths.add(f"releases/{release.id}.json")
        made_of |= everything_of(store, release)
    for ref, manifest in made_of.items():
        assert manifest is not None
        paths |= {f"{ref}/manifest.json", *(f"{ref}/{file.path}" for file in manifest.files)}
    shown = {sha for ref in made_of if ref.kind == "catalog" for sha in images_of(store, ref)}
    paths |= {image_path(sha) for sha in shown}
    for ref in made_of:
        if ref.kind == "model":
            for info in store.list(f"embeddings/{ref.id}"):
                if "/part-" in info.path and shown & set(store.read_table(info.path)["image_sha256"].to_pylist()):
                    paths.add(info.path)
    return paths
