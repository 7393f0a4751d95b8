"""The same pipeline on a real S3 server: nothing changes but the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.s3_gateway import start_gateway
from infra.sample_shop import build_shop
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.images import read_image
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

pytestmark = [pytest.mark.server, pytest.mark.s3, pytest.mark.slow]


def test_pipeline_on_s3(prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = tmp_path / "shop"
    build_shop(shop, items=90, seed=9, day=0, workers=2)
    flags = ["--catalog.source", str(shop), "--catalog.max_reject_share", "0.3", "--model.pretrained", "small"]
    flags += ["--training.steps", "6", "--training.batch_size", "16", "--training.evaluations", "1"]
    flags += ["--training.save_every_steps", "4", "--embed.shard_size", "40", "--metrics.bootstrap_samples", "100"]
    with start_gateway(tmp_path / "s3") as gateway:
        for name, value in {**gateway.environment, "STORE_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "flows.pipeline", *flags]
        environment = {**os.environ, "PREFECT_API_URL": prefect_server}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert gateway.secret_key not in done.stdout + done.stderr

        store = open_store(StoreSettings())
        assert store.root.startswith("s3://")
        live = read_live(store, "production")
        assert live is not None and live.pointer.generation == 1
        release = read_release(store, live.pointer.release)
        items = fetch_table(store, release.index, "items.parquet")
        assert items.num_rows == release.items > 70
        assert (fetch(store, release.model) / "open_clip_model.safetensors").stat().st_size > 1_000_000
        assert read_image(store, items["image_sha256"][0].as_py())[:2] == b"\xff\xd8"
