"""The whole pipeline through a real Prefect server, on a small sample shop."""

import os
import shutil
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact, TaskRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort, TaskRunSort

from flows.pipeline import PipelineConfig, pipeline
from flows.prepare_catalog import prepare_catalog
from flows.publish import PromoteConfig, RollBackConfig, promote, roll_back
from flows.reindex import ReindexConfig, reindex
from infra.sample_shop import build_shop
from tasks.catalog.config import CatalogConfig
from tasks.schema.errors import ArtifactMissing, CatalogError
from tasks.schema.manifest import FOLDERS
from tasks.sources.shop import FolderRoot
from tasks.stages.embedding import further_images
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

pytestmark = [pytest.mark.server, pytest.mark.slow]
ITEMS = 160


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    build_shop(root, items=ITEMS, seed=3, day=0, workers=2)
    age(root)
    return root


def age(root: Path) -> None:
    """As if every file had been written a day ago: what was written this second has no version to trust."""
    for path in root.rglob("*.*"):
        os.utime(path, (path.stat().st_mtime - 86_400,) * 2)


def quick(source: Path, **changes: object) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "catalog": {"source": str(source), "max_reject_share": 0.3},
            "model": {"pretrained": "small"},
            "training": {"steps": 20, "batch_size": 32, "evaluations": 2, "save_every_steps": 10},
            "embed": {"shard_size": 40, "batch_size": 20},
            "metrics": {"bootstrap_samples": 100},
            "classifier": {"epochs": 5},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def released(prefect_server: str, store_in: Path, shop: Path) -> dict[str, Any]:
    return pipeline(quick(shop))


def test_pipeline_publishes_one_complete_release(released: dict[str, Any]) -> None:
    store = open_store()
    live = read_live(store, "production")
    assert live is not None and live.pointer.release == released["release"] and live.pointer.generation == 1
    release = read_release(store, released["release"])
    manifest = load_manifest(store, release.index)
    items = fetch_table(store, release.index, "items.parquet")
    assert manifest.summary["items"] == items.num_rows == release.items > ITEMS * 0.9
    assert release.classifier is not None and all(gate.passed for gate in release.gates)
    assert [row["step"] for row in released["summary"]] == [
        "catalogue", "baseline", "fine-tuned", "index", "word index", "classifier", "release",
    ]  # fmt: skip


def made(store: Store) -> dict[str, datetime]:
    return {
        str(manifest.ref): manifest.created_at
        for kind in FOLDERS
        for manifest in list_artifacts(store, kind)  # type: ignore[arg-type]
    }


def test_report_is_self_contained(released: dict[str, Any]) -> None:
    store = open_store()
    evaluation = read_release(store, released["release"]).evaluations["report"]
    html = (fetch(store, evaluation) / "report.html").read_text()
    assert "data:image" in html and "untrained" in html.lower()
    assert 'src="http' not in html and "<script src" not in html


def test_run_history_says_what_ran_and_nothing_is_looked_up_twice(released: dict[str, Any], shop: Path) -> None:
    with get_client(sync_client=True) as client:
        flows = client.read_flow_runs(sort=FlowRunSort.START_TIME_ASC)
        whole = next(run for run in flows if run.name.startswith(f"pipeline {shop.name} "))
        assert whole.start_time and whole.end_time
        flows = [run for run in flows if run.start_time and whole.start_time <= run.start_time <= whole.end_time]
        ids = FlowRunFilterId(any_=[run.id for run in flows])
        ran = client.read_task_runs(flow_run_filter=FlowRunFilter(id=ids))
    names, tasks = [run.name for run in flows], Counter(run.name.partition("-")[0] for run in ran)
    today = f"{datetime.now():%Y-%m-%d}"
    store = open_store()
    release = read_release(store, released["release"])
    model, catalog = release.model.id[:8], release.catalog.id[:8]
    for name in (
        f"pipeline {shop.name} {today}",
        f"prepare_catalog {shop.name} {today}",
        f"evaluate {model} {catalog} {today}",
        f"build_index {model} {catalog} {today}",
        f"promote {release.id} to production {today}",
    ):
        assert name in names
    assert tasks["resolve"] == 0, "one flow hands its references to the next"
    assert tasks["load_pretrained"] == 1 and tasks["plan_shards"] == 2, "once a model"


def newest_artifacts() -> list[Artifact]:
    with get_client(sync_client=True) as client:
        return client.read_artifacts(limit=200, sort=ArtifactSort.CREATED_DESC)


def test_second_run_makes_nothing_anew(released: dict[str, Any], shop: Path) -> None:
    store = open_store()
    before = made(store)
    assert pipeline(quick(shop))["release"] == released["release"]
    assert made(store) == before
    told = [(artifact.key, str(artifact.data)) for artifact in newest_artifacts()]
    for key in ("evaluation", "model", "index", "lexical", "classifier"):
        assert any(name == key and "and reused" in words for name, words in told), f"nothing is told of the {key}"
    assert any("and reused" in words and "report.html" in words for _, words in told)
    live = read_live(store, "production")
    assert live is not None and live.pointer.generation == 1


def test_operator_finds_artifacts_of_the_run(released: dict[str, Any]) -> None:
    keys = {artifact.key for artifact in newest_artifacts()}
    # fmt: off
    wanted = {
        "catalog", "label-distribution", "refused-rows", "embedding-plan", "training-curves", "evaluation", "index",
        "confusion-matrix", "per-class-f1", "release", "release-gates", "summary", "live",
    }
    # fmt: on
    assert wanted <= keys


def test_nightly_reindex_follows_the_shop_and_rolls_back(
    released: dict[str, Any], shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    first = read_release(store, released["release"])
    read_before, read = FolderRoot.read, []
    monkeypatch.setattr(
        FolderRoot, "read", lambda self, path, *rest: read.append(path) or read_before(self, path, *rest)
    )
    assert reindex(ReindexConfig())["changes"] == {}, "an unchanged shop gives no release"
    assert read and not [path for path in read if path.endswith(".jpg")], "nor is any image of it read"
    assert reindex(ReindexConfig(reread_pictures=True))["changes"] == {}
    assert len([path for path in read if path.endswith(".jpg")]) >= first.items

    before = set(fetch_table(store, first.index, "items.parquet")["item_id"].to_pylist())
    images = embeddings.covered(store, first.model.id)
    shutil.rmtree(shop)
    build_shop(shop, items=ITEMS, seed=3, day=3, workers=2)
    result = reindex(ReindexConfig())
    live = read_live(store, "production")
    assert live is not None and live.pointer.generation == 2 and live.pointer.previous == first.id
    second = read_release(store, live.pointer.release)
    after = set(fetch_table(store, second.index, "items.parquet")["item_id"].to_pylist())
    changes = result["changes"]
    assert (len(after - before), len(before - after)) == (changes["new"], changes["gone"])
    assert changes["new"] and changes["gone"] and changes["image_changed"]
    assert second.model == first.model and second.classifier == first.classifier
    assert first.lexical and second.lexical and first.lexical != second.lexical
    assert load_manifest(store, second.lexical).summary["items"] == len(after)
    assert second.plan is not None and second.parent == first.id
    plan = load_manifest(store, second.plan)
    assert plan.parents == {"old": first.catalog, "new": second.catalog} and plan.summary["changes"] == changes
    listed = fetch_table(store, second.plan, "changes.parquet")
    assert {row["item_id"] for row in listed.to_pylist() if row["change"] == "new"} == after - before
    assert listed.num_rows == sum(changes.values()) - changes["unchanged"]
    fresh = embeddings.covered(store, first.model.id) - images
    further = set(further_images(store, second.catalog)["image_sha256"].to_pylist())
    assert fresh <= further | set(fetch_table(store, second.catalog, "items.parquet")["image_sha256"].to_pylist())
    assert 0 < len(fresh - further) <= changes["new"] + changes["image_changed"], "only new images are embedded"

    assert roll_back(RollBackConfig()).release == first.id
    assert promote(PromoteConfig(release=second.id)).generation == 4
    with pytest.raises(ArtifactMissing, match="no release 0000"):
        promote(PromoteConfig(release="0000"))


def test_too_many_refused_rows_fail_once_and_are_kept(prefect_server: str, store_in: Path, shop: Path) -> None:
    strict = CatalogConfig(source=str(shop), max_reject_share=0.0)
    with pytest.raises(CatalogError, match=r"refused|reject"):
        prepare_catalog(strict)
    assert open_store().read_table("catalogs/refused/rejects.parquet").num_rows > 0
    assert _last_run("prepare_catalog").run_count == 1, "a bad parameter is not tried again"


def _last_run(name: str) -> TaskRun:
    """The newest task run of that name; the server hears of its end a moment after the flow does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(sort=TaskRunSort.END_TIME_DESC, limit=5)
        found = next((run for run in runs if run.name.startswith(name)), None)
        if found is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"no task run of {name} among {[run.name for run in runs]}")
