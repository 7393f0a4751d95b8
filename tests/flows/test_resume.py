"""A run killed in the middle, started again: it goes on, and the result is that of a run nobody disturbed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.sample_shop import build_shop
from tasks.schema.manifest import ArtifactRef
from tasks.store import artifacts
from tasks.store.store import Store, StoreSettings, open_store

pytestmark = [pytest.mark.server, pytest.mark.slow]
STEPS, SAVE_EVERY, SHARD = 60, 10, 20


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    build_shop(root, items=150, seed=5, day=0, workers=2)
    return root


class Bench:
    """One store of its own, and flows started in processes of their own, as a worker starts them."""

    def __init__(self, folder: Path, api: str) -> None:
        self.environment = {
            **os.environ,
            "PREFECT_API_URL": api,
            "STORE_URI": str(folder / "store"),
            "STORE_CACHE": str(folder / "cache"),
        }
        self.store: Store = open_store(StoreSettings(store_uri=str(folder / "store"), store_cache=folder / "cache"))

    def start(self, flow: str, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"flows.{flow}", *flags]
        return subprocess.Popen(command, env=self.environment, start_new_session=True)

    def run(self, flow: str, *flags: str) -> None:
        assert self.start(flow, *flags).wait(timeout=240) == 0

    def kill_when(self, ready: Callable[[], bool], flow: str, *flags: str) -> None:
        process = self.start(flow, *flags)
        deadline = time.monotonic() + 200
        while not ready():
            assert process.poll() is None, "the flow ended before it could be killed"
            assert time.monotonic() < deadline, "nothing to kill at was ever reached"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL

    def prepare(self, shop: Path) -> None:
        self.run("prepare_catalog", "--source", str(shop), "--max_reject_share", "0.3")

    def only(self, kind: str, name: str | None = None) -> ArtifactRef:
        found = artifacts.list_artifacts(self.store, kind)  # type: ignore[arg-type]
        chosen = [manifest for manifest in found if name is None or name in manifest.parents]
        assert len(chosen) == 1, [str(manifest.ref) for manifest in found]
        return chosen[0].ref


@pytest.fixture()
def bench(prefect_server: str, tmp_path: Path, shop: Path) -> Bench:
    made = Bench(tmp_path, prefect_server)
    made.prepare(shop)
    return made


FINETUNE = (
    "--model.pretrained", "small", "--training.steps", str(STEPS), "--training.batch_size", "32",
    "--training.evaluations", "3", "--training.save_every_steps", str(SAVE_EVERY),
)  # fmt: skip


def test_training_goes_on_from_the_last_saved_step(
    bench: Bench, prefect_server: str, tmp_path: Path, shop: Path
) -> None:
    bench.kill_when(lambda: bool(artifacts.list_artifacts(bench.store, "checkpoint")), "finetune", *FINETUNE)
    saved = artifacts.list_artifacts(bench.store, "checkpoint")
    assert saved, "a killed run must leave its checkpoint"
    bench.run("finetune", *FINETUNE)
    model = bench.only("model", "base")
    log = bench.store.read_json(f"{model.folder}/training_log.json")
    assert log["steps"] == STEPS
    assert log["resumed_at"] and log["resumed_at"][0] >= saved[-1].parameters["step"] >= SAVE_EVERY
    assert not artifacts.list_artifacts(bench.store, "checkpoint"), "a finished model needs no checkpoint"

    undisturbed = Bench(tmp_path / "undisturbed", prefect_server)
    undisturbed.prepare(shop)
    undisturbed.run("finetune", *FINETUNE)
    twin = undisturbed.only("model", "base")
    assert twin == model
    weights = "open_clip_model.safetensors"
    assert (
        artifacts.load_manifest(undisturbed.store, twin).file(weights).sha256
        == artifacts.load_manifest(bench.store, model).file(weights).sha256
    )


def test_embedding_repeats_at_most_one_shard(bench: Bench) -> None:
    bench.run("finetune", "--model.pretrained", "small", "--training.steps", "2", "--training.batch_size", "32",
              "--training.evaluations", "1")  # fmt: skip
    model = bench.only("model", "base")

    def parts() -> dict[str, float]:
        listed = bench.store.list(f"embeddings/{model.id}")
        return {info.path: info.modified.timestamp() for info in listed if "/part-" in info.path}

    index = ("build_index", "--model", model.id, "--embed.shard_size", str(SHARD), "--embed.batch_size", "10")
    bench.kill_when(lambda: len(parts()) >= 2, *index)
    survived = parts()
    bench.run(*index)
    finished = parts()
    assert {path: finished[path] for path in survived} == survived, "a finished shard was written again"
    catalog = bench.only("catalog")
    pictures = set(_hashes(bench.store, f"{catalog.folder}/items.parquet"))
    stored = [sha for path in finished for sha in _hashes(bench.store, path)]
    assert set(stored) == pictures
    assert len(stored) - len(pictures) <= SHARD, "more than one shard was embedded twice"


def _hashes(store: Store, path: str) -> list[str]:
    hashes: list[str] = store.read_table(path, ["image_sha256"])["image_sha256"].to_pylist()
    return hashes
