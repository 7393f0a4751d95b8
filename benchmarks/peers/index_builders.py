"""Each contender of `benchmarks/index_quality.py` builds its index over one file of vectors, in a process of its own.

python -m benchmarks.peers.index_builders ours FOLDER
python -m benchmarks.peers.index_builders IVF1024,Flat FOLDER      # plain FAISS

FOLDER holds vectors/vectors.npy (n, d) and texts.npy (m, d), float32; the index goes beside them. The last line says as
JSON what `Built` holds. Peak memory is the process's own, as /proc/self/status knows it.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.harness.memory import status_mb
from benchmarks.peers.environment import python_with
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import build_index, save_index

OURS, PEER = "product", "autofaiss"
OURS_ON_CPU = "product-without-gpu"
CONFIGS = {OURS: IndexConfig(), OURS_ON_CPU: IndexConfig(use_gpu="never")}
# faiss-cpu 1.14 lacks an argument that its product codes pass; its numpy<2 is too old for a recent pyarrow
_PACKAGES = ("autofaiss==2.18.0", "faiss-cpu<1.14", "pyarrow<20", "setuptools<80")
_POINTS_PER_CELL = 40
# All settings its own, but for the cores, which are those that ours has. It ends well also where it built nothing.
_PEER_BUILD = """
import json, os, pathlib, sys, time
from autofaiss import build_index
folder = pathlib.Path(sys.argv[1])
path = folder / "autofaiss.faiss"
started = time.perf_counter()
index, found = build_index(str(folder / "vectors"), index_path=str(path), index_infos_path=str(folder / "infos.json"),
    metric_type="ip", nb_cores=int(os.environ["OMP_NUM_THREADS"]), verbose=40)
seconds = time.perf_counter() - started
if index is None:
    sys.exit("autofaiss built nothing: too little memory for its defaults?")
status = pathlib.Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps({"path": str(path), "factory": found["index_key"], "parameters": found["index_param"],
    "seconds": seconds, "peak_mb": peak}))
"""


@dataclass(frozen=True)
class Built:
    """A saved index. ``parameters``: what it is to be searched with, in the words of FAISS's ParameterSpace, or ''."""

    path: str
    factory: str
    parameters: str
    seconds: float
    peak_mb: float


def built_apart(contender: str, folder: Path, threads: int, peer: Path | None) -> Built:
    """The index of ``contender``: the product, autofaiss, or a setting of plain FAISS.

    peer: autofaiss's environment. Raises RuntimeError where it built none.
    """
    if contender == PEER and peer:
        command = [str(python_with(peer, _PACKAGES)), "-c", _PEER_BUILD, str(folder)]
    else:
        command = [sys.executable, "-m", "benchmarks.peers.index_builders", contender, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{contender} built no index (exit code {done.returncode}): {done.stderr[-2000:]}")
    return Built(**json.loads(done.stdout.strip().splitlines()[-1]))


def _ours(folder: Path, config: IndexConfig, vectors: np.ndarray, path: Path) -> tuple[str, str]:
    built = build_index(vectors, np.load(folder / "texts.npy"), config)
    save_index(built, path)
    return built.factory, ",".join(f"{name}={value}" for name, value in built.search_params.items())


def _plain(factory: str, vectors: np.ndarray, path: Path) -> tuple[str, str]:
    """As a user of FAISS who knows it would: cells of unit vectors, trained on a random sample."""
    index: Any = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    if isinstance(index, faiss.IndexIVF):
        index.cp.spherical = True
        size = min(len(vectors), index.nlist * _POINTS_PER_CELL)
        index.train(vectors[np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))])
    index.add(vectors)
    faiss.write_index(index, str(path))
    return factory, ""


def main() -> None:
    """Build in this process."""
    contender, folder = sys.argv[1], Path(sys.argv[2])
    vectors, path = np.load(folder / "vectors" / "vectors.npy", mmap_mode="r"), folder / f"{contender}.faiss"
    started = time.perf_counter()
    build = partial(_ours, folder, CONFIGS[contender]) if contender in CONFIGS else partial(_plain, contender)
    factory, parameters = build(vectors, path)
    seconds = time.perf_counter() - started
    print(json.dumps(asdict(Built(str(path), factory, parameters, seconds, status_mb("VmHWM")))))


if __name__ == "__main__":
    main()
