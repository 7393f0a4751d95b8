"""The whole pipeline through a real Prefect server, on a small sample shop."""

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.pipeline import PipelineConfig, pipeline
from flows.publish import PromoteConfig, RollBackConfig, promote, roll_back
from flows.reindex import ReindexConfig, reindex
from infra.sample_shop import build_shop
from tasks.schema.errors import ArtifactMissing, CatalogError
from tasks.store import artifacts
from tasks.store.live import read_live
from tasks.store.releases import read_release
from tasks.store.store import open_store

pytestmark = [pytest.mark.server, pytest.mark.slow]
ITEMS = 160


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    build_shop(root, items=ITEMS, seed=3, day=0, workers=2)
    return root


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
def released(prefect_server: object, store_in: Path, shop: Path) -> dict:
    return pipeline(quick(shop))


def test_pipeline_publishes_one_complete_release(released: dict) -> None:
    store = open_store()
    live = read_live(store, "production")
    assert live is not None and live.pointer.release == released["release"] and live.pointer.generation == 1
    release = read_release(store, released["release"])
    manifest = artifacts.load_manifest(store, release.index)
    items = artifacts.read_table(store, release.index, "items.parquet")
    assert manifest.summary["items"] == items.num_rows == release.items > ITEMS * 0.9
    assert release.classifier is not None and all(gate.passed for gate in release.gates)
    assert [row["step"] for row in released["summary"]] == [
        "catalogue", "baseline", "fine-tuned", "index", "classifier", "release",
    ]  # fmt: skip


def test_report_is_self_contained(released: dict) -> None:
    store = open_store()
    evaluation = read_release(store, released["release"]).evaluations["report"]
    html = (artifacts.fetch(store, evaluation) / "report.html").read_text()
    assert "data:image" in html and "untrained" in html.lower()
    assert 'src="http' not in html and 'href="http' not in html


def test_second_run_makes_nothing_anew(released: dict, shop: Path) -> None:
    store = open_store()
    before = {
        str(manifest.ref): manifest.created_at
        for kind in artifacts.KINDS
        for manifest in artifacts.list_artifacts(store, kind)
    }
    again = pipeline(quick(shop))
    after = {
        str(manifest.ref): manifest.created_at
        for kind in artifacts.KINDS
        for manifest in artifacts.list_artifacts(store, kind)
    }
    assert again["release"] == released["release"]
    assert after == before
    live = read_live(store, "production")
    assert live is not None and live.pointer.generation == 1


def test_operator_finds_artifacts_of_the_run(released: dict) -> None:
    with get_client(sync_client=True) as client:
        keys = {artifact.key for artifact in client.read_artifacts(limit=200)}
    assert {"catalog", "label-distribution", "refused-rows", "release", "release-gates", "summary", "live"} <= keys
