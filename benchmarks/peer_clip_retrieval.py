"""clip-retrieval 2.45.0 in an environment of its own, and its ``back`` service over an index and a model of ours."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import pyarrow.parquet as pq

from benchmarks.load_client import Service
from benchmarks.peer_environment import python_with
from deployments.processes import free_port

# Its pins (numpy<2, pyarrow<16, open-clip<3) clash with ours. torch and torchvision as a matching pair: a torch without
# CUDA beside the registry's torchvision does not import.
_PACKAGES = ("clip-retrieval==2.45.0", "setuptools<80", "torch", "torchvision")
_COLUMNS = ["item_id", "title", "brand", "category", "product_type", "color", "price", "image_sha256", "image_width",
            "image_height"]  # fmt: skip
# `back` offers no way to listen on the loopback only
_BACK = """
import flask
listen = flask.Flask.run
flask.Flask.run = lambda app, host=None, **options: listen(app, host="127.0.0.1", **options)
from clip_retrieval.cli import main
main()
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
    offline = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
    log_path = folder / "back.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | offline, cwd=folder, stdout=log, stderr=log)
    body = {"modality": "image", "num_images": hits, "indice_name": "shop"}
    service = Service("clip-retrieval", port, "/knn-service", body, hits)
    try:
        _wait_until_open(process, port, log_path)
        yield service
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"clip-retrieval did not start: {log.read_text(errors='replace')[-2000:]}")
