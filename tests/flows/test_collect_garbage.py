"""The garbage flow through a real Prefect server: it tells by default, and really deletes a week later."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from deployments.apply import PREFECT_YAML
from flows.collect_garbage import collect_garbage
from flows.publish import PromoteConfig, promote
from tasks.schema.release import Release
from tasks.store.artifacts.commit import commit
from tasks.store.garbage.config import GarbageConfig
from tasks.store.objects.store import open_store
from tasks.store.releases.releases import list_releases, write_release
from tests.store.small_shop import prepare

pytestmark = [pytest.mark.server]


def age(folder: Path, **by: float) -> None:
    """Let everything in a folder store be older."""
    back = timedelta(**by).total_seconds()
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_atime - back, path.stat().st_mtime - back))


def test_what_only_an_old_release_needs_goes(prefect_server: str, store_in: Path, tmp_path: Path) -> None:
    store = open_store()
    (tmp_path / "file").write_bytes(b"bytes")
    for number in range(8):
        catalog = prepare(store, [number])
        parts: dict[str, Any] = {
            kind: commit(store, kind, f"a{number}", tmp_path, recipe=1, parents={"catalog": catalog}).ref
            for kind in ("model", "index")  # type: ignore[attr-defined]
        }
        write_release(store, Release(id=f"r{number}", created_at=datetime.now(UTC), items=1, catalog=catalog, **parts))
        age(store_in, minutes=1)
    promote(PromoteConfig(release="r0"))
    age(store_in, days=10)
    told = collect_garbage()
    assert told["dry_run"] and told["deleted"] == 0 and told["bytes"]["marked"] > 0
    assert collect_garbage(GarbageConfig(dry_run=False))["deleted"] == 0
    marks = store.read_json("tombstones/marked.json")
    week_ago = datetime.now(UTC) - timedelta(days=7)
    store.write_json("tombstones/marked.json", dict.fromkeys(marks, week_ago.isoformat()))
    done = collect_garbage(GarbageConfig(dry_run=False))
    assert done["finished"] and done["deleted"] == 2 * (1 + 2 + 2 + 2 + 1)
    assert {release.id for release in list_releases(store)} == {"r0", "r3", "r4", "r5", "r6", "r7"}
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["garbage"])))
    newest = max(found, key=lambda artifact: artifact.created)
    assert "live on production" in str(newest.data) and "releases/r1" in str(newest.data)


def test_the_schedule_really_deletes_and_the_form_does_not() -> None:
    entries = yaml.safe_load(PREFECT_YAML.read_text())["deployments"]
    (entry,) = (entry for entry in entries if entry["name"] == "collect_garbage")
    (schedule,) = entry["schedules"]
    assert not GarbageConfig.model_validate(schedule["parameters"]["config"]).dry_run
    assert GarbageConfig.model_validate(entry["parameters"]["config"]).dry_run
