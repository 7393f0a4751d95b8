"""clip-retrieval 2.45.0 in an environment of its own, its ``back`` and its ``inference`` with a model of ours."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness.load_client import Service
from benchmarks.peers.environment import python_with
from deployments.ports import free_port

# Its pins (numpy<2, pyarrow<16, open-clip<3) clash with ours. torch and torchvision as a matching pair: a torch without
# CUDA beside the registry's torchvision does not import.
_PACKAGES = ("clip-retrieval==2.45.0", "setuptools<80", "torch", "torchvision")
_COLUMNS = ["item_id", "title", "brand", "category", "product_type", "color", "price", "image_sha256", "image_width",
            "image_height"]  # fmt: skip
_OFFLINE = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
# `back` offers no way to listen on the loopback only
_BACK = """
import flask
listen = flask.Flask.run
flask.Flask.run = lambda app, host=None, **options: listen(app, host="127.0.0.1", **options)
from clip_retrieval.cli import main
main()
"""
# what it takes to import and to load the model is not what is compared; a guard, for it starts a process of its own
_INFERENCE = """
import pathlib, sys, time
from clip_retrieval.clip_inference.main import main
from clip_retrieval.clip_inference.mapper import ClipMapper
load = ClipMapper.__init__
def timed(self, **options):
    load(self, **options)
    began.append(time.monotonic())
began, ClipMapper.__init__ = [], timed
if __name__ == "__main__":
    import fire
    fire.Fire(main)
    pathlib.Path("seconds").write_text(str(time.monotonic() - began[0]))
"""


def install(folder: Path) -> None:
    """Install it into ``folder`` where it is missing: 2 GB, minutes."""
    python_with(folder, _PACKAGES)


def prepare(folder: Path, index: Path, nprobe: int) -> None:
    """Lay out what ``back`` reads: our index with the search effort that ours has, and our products as its metadata.

    Its own `index` command would choose an index that is slower by far (it spends 10 ms a query): not what is compared.
    """
    shop = folder / "shop"
    (shop / "metadata").mkdir(parents=True, exist_ok=True)
    opened = faiss.read_index(str(index / "index.faiss"))
    if isinstance(opened, faiss.IndexIVF):
        opened.nprobe = nprobe
        opened.make_direct_map()  # it asks for the vectors of what it finds
    faiss.write_index(opened, str(shop / "image.index"))
    pq.write_table(pq.read_table(index / "items.parquet", columns=_COLUMNS), shop / "metadata" / "metadata_0.parquet")
    (folder / "indices.json").write_text(json.dumps({"shop": str(shop)}))
    (folder / "back.py").write_text(_BACK)


@contextmanager
def running_back(installed: Path, folder: Path, model: str, hits: int) -> Iterator[Service]:
    """``back`` over what was prepared in ``folder``. model: ``open_clip:ARCHITECTURE//path/to/weights``."""
    port = free_port(0)
    command = [
        str((installed / "bin" / "python").absolute()), str(folder / "back.py"), "back", "--port", str(port),
        "--indices_paths", str(folder / "indices.json"), "--clip_model", model,
        "--columns_to_return", json.dumps(_COLUMNS),
        # defaults that download models or raise for one of one's own
        "--enable_mclip_option", "False", "--provide_aesthetic_embeddings", "False", "--use_jit", "False",
    ]  # fmt: skip
    log_path = folder / "back.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | _OFFLINE, cwd=folder, stdout=log, stderr=log)
    body = {"modality": "image", "num_images": hits, "indice_name": "shop"}
    service = Service("clip-retrieval", port, "/knn-service", body, hits)
    try:
        _wait_until_open(process, port, log_path)
        yield service
    finally:
        process.terminate()
        process.wait(timeout=30)


def infer(installed: Path, folder: Path, images: Path, model: str, expected: int, batch: int, threads: int) -> float:
    """Let ``inference`` embed a folder of ``expected`` images; returns its seconds from the loaded model to the end.

    ``threads``: of the forward pass, and processes that decode. model: as for ``running_back``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text(_INFERENCE)
    command = [
        str((installed / "bin" / "python").absolute()), "inference.py", "--input_dataset", str(images),
        "--output_folder", "out", "--enable_text", "False", "--use_jit", "False", "--clip_model", model,
        "--batch_size", str(batch), "--num_prepro_workers", str(threads),
    ]  # fmt: skip
    environment = os.environ | _OFFLINE | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    made = [len(np.load(file, allow_pickle=False)) for file in folder.glob("out/img_emb/*.npy")]
    if done.returncode or sum(made) != expected:
        raise RuntimeError(f"clip-retrieval embedded {sum(made)} of {expected}: {(done.stdout + done.stderr)[-2000:]}")
    return float((folder / "seconds").read_text())


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"clip-retrieval did not start: {log.read_text(errors='replace')[-2000:]}")
