"""Which code and which libraries made an artifact, as its manifest records them."""

import importlib.metadata
import logging
import subprocess
from functools import lru_cache
from pathlib import Path

from tasks.store.objects.store import Store

_LIBRARIES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "faiss-cpu",
    "faiss-gpu-cuvs",
    "numpy",
    "pyarrow",
    "pillow",
    "scikit-learn",
    "safetensors",
    "prefect",
)
_log = logging.getLogger(__name__)


def code_version(store: Store) -> str:
    """Version of the code that runs, as manifests name it."""
    return store.settings.code_version or _described()


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Installed version of each library that can change what an artifact holds."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def _described() -> str:
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / ".git").exists():
        try:
            command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--tags"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
            if said:
                return said
        except (OSError, subprocess.SubprocessError) as error:
            _log.debug("git describe failed: %s", error)
    try:
        return importlib.metadata.version("product-search")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
