"""What stops a release: each gate through the real flows, on a shop of some sixty products and an untrained model."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.build_index import BuildIndexConfig, build_index
from flows.pipeline import PipelineConfig, pipeline
from flows.reindex import ReindexConfig, reindex
from flows.remove_items import RemoveItemsConfig, remove_items
from infra.sample_shop import build_shop
from tasks.retrieval import self_test
from tasks.schema.errors import ConfigError, GateRefused
from tasks.schema.release import Gate, Release
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.manifests import list_artifacts
from tasks.store.objects.store import open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import list_releases, read_release

pytestmark = [pytest.mark.server, pytest.mark.slow]
ITEMS = 64


def shop_of(root: Path, items: int, seed: int = 5, day: int = 0) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    build_shop(root, items=items, seed=seed, day=day, workers=1)
    return root


def quick(source: Path, **changes: Any) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "catalog": {"source": str(source), "max_reject_share": 0.3},
            "model": {"pretrained": "small"},
            "fine_tune": False,
            "classify": False,
            "metrics": {"bootstrap_samples": 100},
            **changes,
        }
    )


def live_release() -> Release:
    live = read_live(open_store(), "production")
    assert live is not None
    return read_release(open_store(), live.pointer.release)


def gates_of(release: Release) -> dict[str, Gate]:
    return {gate.name: gate for gate in release.gates}


def item_ids(release: Release) -> set[str]:
    return set(fetch_table(open_store(), release.index, "items.parquet", columns=["item_id"])["item_id"].to_pylist())


def candidate() -> Release:
    """The newest release that is stored."""
    return list_releases(open_store())[0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop_of(tmp_path_factory.mktemp("shop"), ITEMS)


@pytest.fixture(scope="module")
def first(prefect_server: str, store_in: Path, shop: Path) -> Release:
    pipeline(quick(shop))
    return live_release()


def test_first_release_has_nothing_to_be_compared_with(first: Release) -> None:
    gates = gates_of(first)
    assert set(gates) == {"rows", "self_test", "recall@10_text", "live_release"}
    assert all(gate.passed for gate in gates.values()) and gates["live_release"].detail == "nothing is live yet"
    assert gates["self_test"].value == 1 and gates["rows"].value == first.items


def test_bad_golden_file_is_refused_before_any_work(first: Release, shop: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.txt"
    golden.write_text("mug\nmug\n\tB01\n")
    catalogs = len(list_artifacts(open_store(), "catalog"))
    for run in (
        lambda gates: reindex(ReindexConfig.model_validate({"gates": gates})),
        lambda gates: pipeline(quick(tmp_path / "no shop", gates=gates)),
    ):
        with pytest.raises(ConfigError, match=r"line 2: 'mug' is there already; line 3: no query before the tab"):
            run({"golden_queries": str(golden)})
    assert len(list_artifacts(open_store(), "catalog")) == catalogs


def test_half_an_export_is_refused_and_the_message_overrides_it(first: Release, shop: Path) -> None:
    shop_of(shop, ITEMS // 2)
    with pytest.raises(GateRefused, match="if its export was cut short, run again once it is whole") as refused:
        reindex(ReindexConfig())
    assert live_release() == first, "the live release stays"
    stored = candidate()
    assert stored.id != first.id and stored.parent == first.id
    assert {gate.name for gate in stored.gates if not gate.passed} == {"items", "deletes"}
    message = str(refused.value)
    assert all(f"{name} is " in message for name in ("items", "deletes"))
    command = message.partition("To publish it all the same: ")[2].split()
    assert command[:3] == ["python", "-m", "flows.publish"] and stored.id in command

    shop_of(shop, ITEMS)
    assert reindex(ReindexConfig())["changes"] == {}, "the export is whole again: nothing to do"
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert live_release() == stored
    with pytest.raises(GateRefused, match="sent twice"):
        reindex(ReindexConfig())
    result = reindex(ReindexConfig(publish_anyway=True))
    assert live_release().id == result["release"] and live_release().catalog == first.catalog


def test_expected_products_of_golden_queries(first: Release, shop: Path, tmp_path: Path) -> None:
    items = fetch_table(open_store(), first.index, "items.parquet", columns=["item_id", "title"]).to_pylist()
    shop_of(shop, ITEMS, day=1)
    golden = tmp_path / "golden.txt"
    # an untrained model finds no product by ten different titles
    golden.write_text("".join(f"{row['title']}\t{items[0]['item_id']}\tGONE\n" for row in items[:10]))
    before = live_release()
    with pytest.raises(GateRefused, match="golden_expected is ") as refused:
        reindex(ReindexConfig.model_validate({"gates": {"golden_queries": str(golden)}}))
    assert "expected products not in the catalogue, left out: 10" in str(refused.value) and live_release() == before
    golden.write_text("".join(f"{row['title']}\tGONE\n" for row in items[:10]))
    reindex(ReindexConfig.model_validate({"gates": {"golden_queries": str(golden)}}))
    gates = gates_of(live_release())
    assert live_release().parent == before.id and all(gate.passed for gate in gates.values())
    assert gates["golden_expected"].value is None and gates["golden_overlap"].detail.startswith("10 queries")
    assert set(gates) == {
        "rows", "self_test", "recall@10_text", "items", "deletes", "recall@10_against_live", "golden_overlap",
        "golden_expected",
    }  # fmt: skip


def test_self_test_that_crashes_is_a_refusal(first: Release, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of(shop, ITEMS, day=2)
    before = live_release()
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(self_test, "_COMMAND", (sys.executable, "-c", code))
    with pytest.raises(GateRefused, match="the process died: Segmentation fault"):
        reindex(ReindexConfig())
    assert live_release() == before and {gate.name for gate in candidate().gates} == {
        "rows", "self_test", "recall@10_text",
    }  # fmt: skip
    with pytest.raises(GateRefused, match=r"Index .* is refused: .*Segmentation fault"):
        build_index(BuildIndexConfig())
    monkeypatch.undo()
    assert build_index(BuildIndexConfig()) == candidate().index
    reindex(ReindexConfig())
    assert live_release().parent == before.id, "the same parts pass once the machine is sound"


def test_products_taken_down_by_hand_may_leave_the_shop(first: Release, shop: Path) -> None:
    before = live_release()
    shop_of(shop, ITEMS - 16)
    with pytest.raises(GateRefused, match="deletes is "):
        reindex(ReindexConfig())
    listed, left = (item_ids(release) for release in (before, candidate()))
    remove_items(RemoveItemsConfig(items=tuple(sorted(listed - left)), reason="recalled"))
    reindex(ReindexConfig())
    gates = gates_of(live_release())
    assert gates["deletes"].value == 0 and all(gate.passed for gate in gates.values())
    assert item_ids(live_release()) == left


def test_another_shop_is_not_compared(first: Release, tmp_path: Path) -> None:
    config = quick(shop_of(tmp_path / "other", 30, seed=8))
    halves = {"train_share": 0.4, "val_share": 0.3, "test_share": 0.3}
    pipeline(config.model_copy(update={"catalog": config.catalog.model_copy(update=halves)}))
    gates = gates_of(live_release())
    assert "serves another shop" in gates["live_release"].detail and "items" not in gates
    assert all(gate.passed for gate in gates.values()) and live_release().items < ITEMS / 2
