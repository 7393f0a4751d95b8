"""Promote, roll back, pin and history as an operator starts them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.publish import HistoryConfig, PinConfig, PromoteConfig, RollBackConfig, history, pin, promote, roll_back
from tasks.schema.errors import ArtifactMissing
from tasks.schema.release import Release
from tasks.store.artifacts.commit import commit
from tasks.store.objects.store import open_store
from tasks.store.releases.pins import list_pins
from tasks.store.releases.releases import write_release

pytestmark = [pytest.mark.server]


@pytest.fixture(scope="module")
def releases(prefect_server: str, store_in: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    store, folder = open_store(), tmp_path_factory.mktemp("part")
    (folder / "file").write_bytes(b"bytes")
    parts: dict[str, Any] = {
        kind: commit(store, kind, "a1", folder, recipe=1).ref for kind in ("catalog", "model", "index")
    }
    for number in (1, 2):
        write_release(store, Release(id=f"r{number}", created_at=datetime.now(UTC), items=number, **parts))
    return ["r1", "r2"]


def newest_table(key: str) -> str:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(max(found, key=lambda artifact: artifact.created).data)


def test_the_history_tells_every_move_and_pin(releases: list[str]) -> None:
    for release in releases:
        promote(PromoteConfig(release=release, reason=f"promote {release}"))
    roll_back(RollBackConfig(reason="wrong images"))
    assert "wrong images" in newest_table("history")  # left by the roll-back itself
    pin(PinConfig(release="r1", reason="for the report"))
    assert [pinned.release for pinned in list_pins(open_store())] == ["r1"]
    lines = history(HistoryConfig()).splitlines()
    assert lines[0].split() == ["generation", "release", "when", "reason", "run", "items", "pinned"]
    assert [line.split()[:2] for line in lines[1:]] == [["3", "r1"], ["2", "r2"], ["1", "r1"]]
    assert "for the report" in lines[1] and "for the report" not in lines[2]
    pin(PinConfig(release="r1", pinned=False))
    assert list_pins(open_store()) == []
    assert history(HistoryConfig(channel="nobody")) == "nothing yet"
    with pytest.raises(ArtifactMissing, match="no release r9"):
        pin(PinConfig(release="r9"))
