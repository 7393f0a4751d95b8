"""The device of k-means and of the assignment of vectors to cells: the CPU, or the GPUs that FAISS can use.

Only exact inner-product search runs on a GPU. Encoding stays on the CPU, so a saved index is always a CPU index, and
every kind of code works with every build of FAISS.
"""

from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np

from tasks.schema.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """The processor that trains and assigns. ``gpus`` 0 is the CPU."""

    gpus: int

    @property
    def name(self) -> str:
        """``cpu``, or e.g. ``gpu x2``."""
        return f"gpu x{self.gpus}" if self.gpus else "cpu"

    def train(self, ivf: Any, sample: np.ndarray) -> None:
        """Train ``ivf`` on ``sample`` (n, d) float32; on GPUs the k-means assignment runs there (faiss#1430)."""
        if not self.gpus:
            ivf.train(sample)
            return
        ivf.clustering_index = self.hold(faiss.IndexFlatIP(ivf.d))
        try:
            ivf.train(sample)
        finally:
            ivf.clustering_index = None

    def hold(self, flat: Any) -> Any:
        """``flat`` itself on the CPU; on GPUs a copy of it in their memory."""
        return faiss.index_cpu_to_all_gpus(flat) if self.gpus else flat


def pick_device(use_gpu: Literal["auto", "never", "require"]) -> Device:
    """The device asked for. Raises ConfigError where a GPU is required and this FAISS sees none."""
    gpus = 0 if use_gpu == "never" else count_gpus()
    if use_gpu == "require" and not gpus:
        raise ConfigError(
            f"use_gpu='require': FAISS {faiss.__version__} sees no GPU; install the extra 'gpu' on a machine with one, "
            "or take use_gpu='auto'"
        )
    return Device(gpus)


def count_gpus() -> int:
    """GPUs this build of FAISS can use: 0 with the CPU wheel."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") and hasattr(faiss, "StandardGpuResources") else 0
