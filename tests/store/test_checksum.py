"""Records with a checksum: any changed, added or cut byte is found; the live pointer is read only when it moved."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.store.objects.checksum import add_checksum, verify_checksum
from tasks.store.objects.store import Store, dump_json
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import write_release
from tasks.store.releases.swap import swap_live

RECORD = {"schema_version": 2, "id": "r1", "items": 1234, "share": 0.25, "why": "nacht", "gates": [{"passed": True}]}
RECORD_BYTES = add_checksum(RECORD)


def test_a_record_with_checksum_is_json_that_reads_as_it_was_written() -> None:
    assert verify_checksum(RECORD_BYTES, "here") == RECORD and b'"seal"' in RECORD_BYTES


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(RECORD_BYTES) - 1), st.integers(1, 255))
def test_every_changed_byte_is_found(offset: int, flip: int) -> None:
    damaged = bytearray(RECORD_BYTES)
    damaged[offset] ^= flip
    with pytest.raises(ArtifactCorrupt, match="here"):
        verify_checksum(bytes(damaged), "here")


@given(st.integers(0, len(RECORD_BYTES) - 1))
def test_every_cut_is_found(length: int) -> None:
    with pytest.raises(ArtifactCorrupt):
        verify_checksum(RECORD_BYTES[:length], "here")
    with pytest.raises(ArtifactCorrupt):
        verify_checksum(RECORD_BYTES + RECORD_BYTES[:length] + b" ", "here")


def test_a_record_of_the_version_without_checksum_is_accepted() -> None:
    old = {**RECORD, "schema_version": 1}
    assert verify_checksum(dump_json(old), "here") == old
    with pytest.raises(ArtifactCorrupt, match="has no checksum"):
        verify_checksum(dump_json(RECORD), "here")


def test_the_pointer_is_read_again_only_when_it_moved(store: Store) -> None:
    ref = {kind: ArtifactRef(kind=kind, id="a") for kind in ("catalog", "model", "index")}  # type: ignore[arg-type]
    for release_id in ("r1", "r2"):
        write_release(store, Release(id=release_id, created_at=datetime.now(UTC), items=1, **ref))
    swap_live(store, "main", "r1", reason="test", run="1", expected=None)
    known = read_live(store, "main")
    assert known is not None and read_live(store, "main", known) is known
    swap_live(store, "main", "r2", reason="test", run="2", expected=known)
    moved = read_live(store, "main", known)
    assert moved is not None and moved.pointer.release == "r2" and moved.etag != known.etag
    assert store.objects.read_if_changed("live/main.json", moved.etag) is None
    store.delete("live/main.json")
    assert read_live(store, "main", moved) is None
    with pytest.raises(ArtifactMissing):
        store.objects.read_if_changed("live/main.json", moved.etag)
