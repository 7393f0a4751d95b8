"""The embedding stage on a real Ray cluster of worker processes, and on one of this machine made for the run."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows.steps import embed_images
from tasks.clip.config import EmbedConfig
from tasks.cluster.connection import RaySettings, connected
from tasks.cluster.shards import TRIES, ShardRun
from tasks.cluster.worker_plan import WorkerPlan
from tasks.schema.errors import ArtifactMissing, CatalogError, ConfigError, StoreUnavailable, TerminalError
from tasks.schema.manifest import ArtifactRef
from tasks.stages import embedding
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.images import image_path
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.reader_leases import FOLDER as LEASES
from tests.cluster import ray_probes
from tests.cluster.ray_cluster import ENVIRONMENT, alive, computing, descendants, listening, ray_head, until
from tests.conftest import TinyShop

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None  # as where the extra is not installed
import tasks.cluster.shards, tasks.embed, tasks.stages.embedding
assert "torch" not in sys.modules, "it reads its number of threads when imported: not before a worker set that"
import flows.pipeline, flows.reindex
"""
pytestmark = [pytest.mark.server, pytest.mark.slow]
CATALOG = ArtifactRef(kind="catalog", id="catalog-first")
SHARDS = 6
ON_RAY: dict[str, Any] = {"engine": "ray", "workers": 2, "gpus_per_worker": 0}


@dataclass
class Shop:
    """A store with a catalogue of twelve images and a model, of which nothing is embedded."""

    store: Store
    model: ArtifactRef
    images: list[str]

    def embed(self, compute: dict[str, Any]) -> None:
        config = EmbedConfig.model_validate({"shard_size": 2, "batch_size": 2, "precision": "fp32", "compute": compute})

        @flow
        def stage() -> None:
            embed_images(self.model, CATALOG, config)

        stage()

    def forget(self) -> None:
        embeddings.delete_embeddings(self.store, self.model.id)

    def parts(self) -> dict[str, float]:
        """Stored shards, and when each was written."""
        listed = self.store.list(f"embeddings/{self.model.id}")
        return {info.path: info.modified.timestamp() for info in listed if "/part-" in info.path}

    def vectors(self) -> np.ndarray:
        return embeddings.load_vectors(self.store, self.model.id, self.images)

    @contextmanager
    def stuck(self, sha256: str) -> Iterator[None]:
        """Whoever reads this image waits until the end of the block: it is a pipe that nobody writes to."""
        path = Path(self.store.root.removeprefix("file://")) / image_path(sha256)
        kept = path.rename(path.with_suffix(".kept"))
        os.mkfifo(path)
        try:
            yield
        finally:
            kept.replace(path)


@pytest.fixture(scope="module")
def shop(prefect_server: str, store_in: Path, tiny_store: TinyShop) -> Shop:
    shutil.copytree(tiny_store.settings.store_uri, store_in, ignore=shutil.ignore_patterns(LEASES))
    store = open_store()
    images = fetch_table(store, CATALOG, "items.parquet")["image_sha256"].to_pylist()
    return Shop(store, tiny_store.model(), sorted(set(images)))


@pytest.fixture(scope="module")
def head(shop: Shop) -> Iterator[int]:
    """Process id of a cluster of two cores that claims two GPUs; RAY_ADDRESS names it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "CODE_VERSION": "tests"}.items():  # a checkout may change meanwhile
            patch.setenv(name, value)
        with ray_head(os.environ, cpus=2, gpus=2) as (address, pid):
            patch.setenv("RAY_ADDRESS", address)
            yield pid


def test_nothing_needs_ray_until_it_is_asked_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_RAY], check=True, timeout=200)
    monkeypatch.setitem(sys.modules, "ray", None)
    shop.embed({"engine": "here"})
    assert len(shop.vectors()) == len(shop.images)
    shop.forget()
    with pytest.raises(ConfigError, match=r"not installed: pip install 'product-search\[ray\]'"):
        shop.embed(ON_RAY)


def test_the_plan_is_read_once_for_all_shards(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read, real = [], embeddings.read_plan
    monkeypatch.setattr(embeddings, "read_plan", lambda *given: read.append(given) or real(*given))
    embedding._read_plan.cache_clear()
    shop.forget()
    shop.embed({"engine": "here"})
    assert len(shop.parts()) == SHARDS and len(read) == 1


def test_a_worker_killed_in_a_shard_costs_that_shard_alone(shop: Shop, head: int) -> None:
    shop.embed({"engine": "here"})
    parts, vectors = shop.parts(), shop.vectors()
    assert len(parts) == SHARDS
    shop.forget()
    survived: dict[str, float] = {}
    stuck = threading.Event()

    def kill() -> None:
        with shop.stuck(shop.images[0]):
            stuck.set()
            until(lambda: len(shop.parts()) == SHARDS - 1)
            survived.update(shop.parts())
            (victim,) = until(lambda: computing(head))
            os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert stuck.wait(10)
    shop.embed(ON_RAY)
    killer.join()
    finished = shop.parts()
    assert finished.keys() == parts.keys(), "another engine, other shards"
    assert {path: finished[path] for path in survived} == survived, "a finished shard was written again"
    assert len(survived) == SHARDS - 1
    np.testing.assert_allclose(shop.vectors(), vectors, atol=1e-6)


def test_what_is_missing_is_embedded_and_an_image_that_cannot_be_read_named(shop: Shop, head: int) -> None:
    alone = {**ON_RAY, "workers": 1}
    shop.embed({"engine": "here"})
    lost = next(iter(shop.parts()))
    hashes = shop.store.read_table(lost)["image_sha256"].to_pylist()
    shop.store.delete(lost)
    left, path = shop.parts(), image_path(hashes[1])
    data = shop.store.read_bytes(path)
    shop.store.delete(path)
    try:
        with pytest.raises(ArtifactMissing, match=f"^no image {hashes[1]} in .*prepare the catalogue again$"):
            shop.embed(alone)
    finally:
        shop.store.write_bytes(path, data)
    shop.embed(alone)
    after = shop.parts()
    assert {path: after.get(path) for path in left} == left and len(after) == SHARDS
    assert len(shop.vectors()) == len(shop.images)
    shop.embed({**ON_RAY, "workers": 99})  # nothing is left to do: nobody asks the cluster
    assert shop.parts() == after


def test_workers_of_another_store_are_refused(
    shop: Shop, head: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster was started with one STORE_URI, the flow with another: its shards would land where nobody looks."""
    shop.forget()
    copy = tmp_path / "copy"
    shutil.copytree(shop.store.root.removeprefix("file://"), copy)
    monkeypatch.setenv("STORE_URI", str(copy))
    with pytest.raises(ConfigError, match=r"store is file://.*the flow's is file://.*set the same STORE_URI"):
        shop.embed(ON_RAY)
    assert not shop.parts()


@pytest.mark.parametrize(
    ("compute", "found"),
    [
        ({"gpus_per_worker": 1, "workers": 3}, "room for 2 .*1 GPU.*and 3 must fit"),
        ({"cpus_per_worker": 64}, "room for 0 .*64 CPU"),
    ],
)
def test_more_than_the_cluster_has_is_refused_at_once(
    shop: Shop, head: int, compute: dict[str, Any], found: str
) -> None:
    shop.forget()
    with pytest.raises(ConfigError, match=found):
        shop.embed({"engine": "ray", **compute})
    assert not shop.parts()


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:1", "nothing answers at RAY_ADDRESS=127.0.0.1:1 .*ray start --head"),
        ("ray://127.0.0.1:10001", "expected host:port"),
        ("head", "expected host:port"),
    ],
)
def test_a_cluster_that_is_not_there_is_refused_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, address: str, found: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError, match=found):
        shop.embed(ON_RAY)


def test_each_worker_has_a_gpu_and_a_core_of_its_own(shop: Shop, head: int, tmp_path: Path) -> None:
    with connected(RaySettings()):
        look = partial(ray_probes.look_around, str(tmp_path))
        seen = [value for _, value in ShardRun(look, lambda _: 2, 2, WorkerPlan(2, 1, 1)).results()]
        assert {one["CUDA_VISIBLE_DEVICES"] for one in seen} == {"0", "1"}
        assert {one["threads"] for one in seen} == {"1"}
        assert len({one["pid"] for one in seen}) == 2
        ((_, other),) = ShardRun(look, lambda _: 1, 1, WorkerPlan(1, 2, 0)).results()
        assert (other["CUDA_VISIBLE_DEVICES"], other["threads"]) == ("", "2")


def test_what_can_pass_is_tried_again_and_what_cannot_is_raised(shop: Shop, head: int, tmp_path: Path) -> None:
    def run(workers: int, *happens: str) -> list[int]:
        """Attempts by shard; something happens to each but the first."""
        folder = tmp_path / happens[0]
        folder.mkdir()
        fail = partial(ray_probes.fail_at, str(folder))
        given = ["", *happens]
        found = dict(ShardRun(fail, given.__getitem__, len(given), WorkerPlan(workers, 1, 0)).results())
        return [found[shard] for shard in sorted(found)]

    with connected(RaySettings()):
        assert run(2, "killed once", "transient once", "") == [1, 2, 2, 1]
        with pytest.raises(CatalogError, match=r"^image 7 cannot be read$"):
            run(1, "terminal")
        with pytest.raises(ZeroDivisionError, match="a bug"):
            run(1, "bug")
        with pytest.raises(StoreUnavailable, match=r"^the store sleeps$"):
            run(1, "transient always")
        with pytest.raises(TerminalError, match=f"lost {TRIES} times"):
            run(1, "killed always")
    assert (tmp_path / "terminal" / "attempts-1").stat().st_size == 1
    assert (tmp_path / "transient always" / "attempts-1").stat().st_size == TRIES
    assert (tmp_path / "killed always" / "attempts-1").stat().st_size == TRIES


def test_a_cancelled_run_on_this_machine_alone_leaves_no_process_and_listens_to_nobody_else(shop: Shop) -> None:
    shop.forget()
    flags = ["--model", shop.model.id, "--catalog", CATALOG.id, "--embed.shard_size", "2"]
    flags += ["--embed.compute.engine", "ray", "--embed.compute.workers", "1"]
    with get_client(sync_client=True) as client:
        api = {"PREFECT_API_URL": str(client.api_url)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | api
    with shop.stuck(shop.images[-1]):
        command = [sys.executable, "-m", "flows.build_index", *flags]
        run = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            until(lambda: run.poll() is not None or len(shop.parts()) == SHARDS - 1)
            started = list(descendants(run.pid))
            assert run.poll() is None and until(lambda: computing(run.pid))
            assert listening(run.pid) == {"127.0.0.1"}
            run.terminate()
            assert run.wait(60) != 0
            until(lambda: not any(map(alive, started)), seconds=60)
        finally:
            run.kill()
