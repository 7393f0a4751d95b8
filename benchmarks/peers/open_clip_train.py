"""open_clip_train of open_clip_torch 3.3.0 in an environment of its own: what most people fine-tune CLIP with."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environment import python_with

# torch and torchvision as a matching pair, as for the other peer
_PACKAGES = ("open_clip_torch[training]==3.3.0", "torch", "torchvision")
_STEP = re.compile(r"Batch \(t\): ([0-9.]+)")
# what it takes to import and to load the model is not what is compared
_TRAIN = """
import json, pathlib, sys, time
import torch
from open_clip_train import main as program
from safetensors.torch import save_file
train_one_epoch = program.train_one_epoch
def timed(*given, **options):
    began = time.perf_counter()
    train_one_epoch(*given, **options)
    seconds.append(time.perf_counter() - began)
seconds, program.train_one_epoch = [], timed
if __name__ == "__main__":
    program.main(sys.argv[1:])
    peak = int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    saved = torch.load("logs/run/checkpoints/epoch_latest.pt", map_location="cpu", weights_only=True)["state_dict"]
    save_file({name: tensor.contiguous() for name, tensor in saved.items()}, "weights.safetensors")
    pathlib.Path("done.json").write_text(json.dumps({"seconds": sum(seconds), "peak_mb": peak}))
"""


@dataclass(frozen=True)
class PeerRun:
    """``rate``: images/s by its own log, the first step left out. ``seconds``: of all epochs. ``peak_mb``: memory."""

    rate: float
    seconds: float
    peak_mb: float
    weights: Path


def install(folder: Path) -> None:
    """Install it into ``folder`` where it is missing: 3 GB, minutes."""
    python_with(folder, _PACKAGES)


def train(
    installed: Path, folder: Path, model: Path, table: Path, options: dict[str, str | float], threads: int
) -> PeerRun:
    """Train the model in the folder ``model``, in ``folder``, on what ``table`` names.

    ``table``: tab-separated, columns filepath and title. ``options``: its flags without the dashes. ``threads``: of
    the training process, and processes that decode.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(_TRAIN)
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [
        str((installed / "bin" / "python").absolute()), "train.py", "--model", f"local-dir:{model.absolute()}",
        "--train-data", str(table.absolute()), "--dataset-type", "csv", "--workers", str(threads),
        "--logs", "logs", "--name", "run", "--log-every-n-steps", "1", "--save-most-recent", "--save-frequency", "0",
        *flags,
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    # it ends with 0 where it refuses to start
    if done.returncode or not (folder / "done.json").exists():
        raise RuntimeError(f"open_clip_train failed: {(done.stdout + done.stderr)[-2000:]}")
    steps = [float(seconds) for seconds in _STEP.findall(done.stdout + done.stderr)][1:]
    images = int(options["batch-size"]) * int(options.get("accum-freq", 1))
    found = json.loads((folder / "done.json").read_text())
    rate = len(steps) * images / sum(steps) if steps else 0.0
    return PeerRun(rate, found["seconds"], found["peak_mb"], folder / "weights.safetensors")
