"""The checks of `make doctor`. Each returns what it found and, where something is wrong, what to do."""

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from typing import Literal

from deployments.ports import port_is_free
from deployments.processes import Processes
from deployments.settings import ROOT, StackSettings

Verdict = Literal["OK", "WARN", "FAIL"]
_GB = 1e9
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table."""

    name: str
    verdict: Verdict
    found: str
    action: str = ""


def check_python() -> Finding:
    """The Python version; one older than 3.11 could not import this module."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "OK", found)


def check_packages() -> Finding:
    """Everything needed is installed, in the versions of constraints.txt."""
    pins = dict(
        line.strip().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    needed = [_project_name(entry) for entry in requires("product-search") or [] if "extra ==" not in entry]
    missing = [name for name in needed if _version(name) is None]
    if missing:
        return Finding("Packages", "FAIL", f"missing: {', '.join(missing)}", "make setup")
    installed = {name: found for name in pins if (found := _version(name)) is not None}
    other = [f"{name} {found} (pinned {pins[name]})" for name, found in installed.items() if found != pins[name]]
    if other:
        more = f" and {len(other) - 4} more" if len(other) > 4 else ""
        return Finding("Packages", "WARN", ", ".join(other[:4]) + more, "touch constraints.txt && make setup")
    return Finding("Packages", "OK", f"{len(installed)} as pinned")


def check_faiss() -> Finding:
    """Exactly one distribution provides the module `faiss`; two overwrite each other's files."""
    found = sorted(set(packages_distributions().get("faiss", [])))
    shown = ", ".join(f"{name} {version(name)}" for name in found) or "none"
    if len(found) != 1:
        return Finding("FAISS", "FAIL", shown, "remove .venv, then make setup: exactly one may be installed")
    return Finding("FAISS", "OK", shown)


def check_torch() -> Finding:
    """Versions of torch and torchvision match, and see the GPU where there is one."""
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        return Finding("torch", "FAIL", f"{type(error).__name__}: {error!s:.120}", "remove .venv, then make setup")
    found = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    if torch.cuda.is_available():
        return Finding("torch", "OK", f"{found}, {torch.cuda.get_device_name(0)}")
    if shutil.which("nvidia-smi"):
        return Finding("torch", "WARN", f"{found}, GPU not seen", "update the NVIDIA driver: CUDA 13 needs 580")
    return Finding("torch", "OK", f"{found}, CPU")


def check_ports(settings: StackSettings) -> list[Finding]:
    """The stack's ports are free, or taken by the stack itself."""
    ours = {service.url.rpartition(":")[2] for service in Processes(settings.var, "doctor").running()}
    findings = []
    for name, port in (("Port of Prefect", settings.prefect_port), ("Port of the page", settings.app_port)):
        if str(port) in ours:
            findings.append(Finding(name, "OK", f"{port}, the stack is on"))
        elif port_is_free(port, settings.host):
            findings.append(Finding(name, "OK", f"{port} is free"))
        else:
            findings.append(Finding(name, "WARN", f"{port} is in use", "the next free one will be taken"))
    return findings


def check_store() -> Finding:
    """The store answers, can be written to, and honours conditional writes."""
    from tasks.schema.errors import ProductSearchError
    from tasks.store.objects.store import open_store
    from tasks.store.releases.conditional_writes import probe

    try:
        store = open_store()
        found = probe(store)
    except (ProductSearchError, OSError, ValueError) as error:
        action = "check STORE_URI, AWS_ENDPOINT_URL, the credentials, and that the folder or bucket can be written to"
        return Finding("Store", "FAIL", f"{type(error).__name__}: {error!s:.200}", action)
    where = store.root
    if not found.conditional:
        return Finding("Store", "WARN", f"{where}: {found.detail}", "publishing takes a lock instead: one writer only")
    return Finding("Store", "OK", f"{where}: readable, writable, conditional writes")


def check_ray() -> list[Finding]:
    """The Ray cluster at RAY_ADDRESS answers. No finding where it is not set: nothing else needs Ray."""
    from tasks.cluster.connection import RaySettings, require_ray
    from tasks.schema.errors import ConfigError

    settings = RaySettings()
    if settings.local:
        return []
    try:
        require_ray(settings)
    except ConfigError as error:
        return [Finding("Ray", "FAIL", str(error), "docs/ray.md")]
    return [Finding("Ray", "OK", f"{settings.ray_address} answers")]


def check_disk(settings: StackSettings) -> Finding:
    """Room for the store, the caches and the database."""
    folder = next(path for path in (settings.var, *settings.var.parents) if path.exists())
    free = shutil.disk_usage(folder).free / _GB
    found = f"{free:.1f} GB free at {folder}"
    if free < 1:
        return Finding("Disk", "FAIL", found, "free some, or set STACK_VAR to another disk")
    if free < 5:
        return Finding("Disk", "WARN", found, "enough for the sample shop; a real one needs more")
    return Finding("Disk", "OK", found)


def check_browser() -> Finding:
    """Chromium for the page tests. Nothing else needs it."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return Finding("Browser", "WARN", "no Chromium", "apt-get install chromium, for the page tests only")
    return Finding("Browser", "OK", found)


def _project_name(requirement: str) -> str:
    return requirement.replace("[", " ").replace("=", " ").replace(">", " ").replace("<", " ").split()[0].strip(";")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
