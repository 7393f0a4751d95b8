"""A run killed in the middle, started again: it goes on, and the result is that of a run nobody disturbed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from flows.build_index import BuildIndexConfig, build_index
from flows.finetune import FinetuneRun, finetune
from flows.prepare_catalog import prepare_catalog
from infra.sample_shop import build_shop
from tasks.catalog.config import CatalogConfig
from tasks.clip.config import ModelConfig
from tasks.finetune import load_pretrained
from tasks.stages.embedding import further_images
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.store import Store, open_store

pytestmark = [pytest.mark.server, pytest.mark.slow]
STEPS, SAVE_EVERY, SHARD = 30, 5, 20


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    build_shop(root, items=120, seed=5, day=0, workers=2)
    return root


class Bench:
    """A store of its own. What is to be killed runs in a process of its own, as a worker starts it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._environment = {"STORE_URI": str(folder / "store"), "STORE_CACHE": str(folder / "cache")}
        for name, value in self._environment.items():
            patch.setenv(name, value)
        self.store: Store = open_store()

    def kill_when(self, ready: Callable[[], bool], api: str, flow: str, *flags: str) -> None:
        command = [sys.executable, "-m", f"flows.{flow}", *flags]
        environment = {**os.environ, **self._environment, "PREFECT_API_URL": api}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        deadline = time.monotonic() + 200
        while not ready():
            assert process.poll() is None, "the flow ended before it could be killed"
            assert time.monotonic() < deadline, "nothing to kill at was ever reached"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL


def test_training_goes_on_from_the_last_saved_step(
    prefect_server: str, tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"steps": STEPS, "batch_size": 32, "evaluations": 3, "save_every_steps": SAVE_EVERY}
    run = FinetuneRun.model_validate({"model": {"pretrained": "small"}, "training": training})
    flags = [f"--training.{name}={value}" for name, value in training.items()]

    bench = Bench(tmp_path / "disturbed", monkeypatch)
    prepare_catalog(_of(shop))
    saved = partial(list_artifacts, bench.store, "checkpoint")
    bench.kill_when(lambda: bool(saved()), prefect_server, "finetune", "--model.pretrained", "small", *flags)
    assert (kept := saved()), "a killed run must leave its checkpoint"
    model = finetune(run)
    log = bench.store.read_json(f"{model.folder}/training_log.json")
    assert log["steps"] == STEPS
    assert log["resumed_at"] and log["resumed_at"][0] >= kept[-1].parameters["step"] >= SAVE_EVERY
    assert not saved(), "a finished model needs no checkpoint"

    undisturbed = Bench(tmp_path / "undisturbed", monkeypatch)
    prepare_catalog(_of(shop))
    assert finetune(run) == model
    weights = "open_clip_model.safetensors"
    twins = [load_manifest(one.store, model).file(weights).sha256 for one in (bench, undisturbed)]
    assert twins[0] == twins[1]


def test_embedding_repeats_at_most_one_shard(
    prefect_server: str, tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch)
    catalog = prepare_catalog(_of(shop))
    model = load_pretrained(ModelConfig(pretrained="small"))
    run = BuildIndexConfig.model_validate({"model": model.id, "embed": {"shard_size": SHARD, "batch_size": 10}})

    def parts() -> dict[str, float]:
        listed = bench.store.list(f"embeddings/{model.id}")
        return {info.path: info.modified.timestamp() for info in listed if "/part-" in info.path}

    flags = ["--model", model.id, "--embed.shard_size", str(SHARD), "--embed.batch_size", "10"]
    bench.kill_when(lambda: len(parts()) >= 2, prefect_server, "build_index", *flags)
    survived = parts()
    build_index(run)
    finished = parts()
    assert {path: finished[path] for path in survived} == survived, "a finished shard was written again"
    images = set(_hashes(bench.store, f"{catalog.folder}/items.parquet"))
    images |= set(further_images(bench.store, catalog)["image_sha256"].to_pylist())
    stored = [sha for path in finished for sha in _hashes(bench.store, path)]
    assert set(stored) == images
    assert len(stored) - len(images) <= SHARD, "more than one shard was embedded twice"


def _of(shop: Path) -> CatalogConfig:
    return CatalogConfig(source=str(shop), max_reject_share=0.3)


def _hashes(store: Store, path: str) -> list[str]:
    hashes: list[str] = store.read_table(path, ["image_sha256"])["image_sha256"].to_pylist()
    return hashes
