"""Which shop a command reads: the one a person names, or the sample shop, made on first use."""

import subprocess
import sys
from pathlib import Path

from deployments.environment import absolute
from deployments.processes import ServiceFailed
from deployments.settings import ROOT, StackSettings

SAMPLE_ITEMS = 3000


def check_catalog(catalog: str) -> str:
    """The catalogue as an absolute path or a URI, "" for none; ends the program if nothing is at that path."""
    location = absolute(catalog) if catalog else ""
    if location and "://" not in location and not Path(location).exists():
        raise SystemExit(
            f"CATALOG={catalog}: nothing is at {location}. Give an Amazon Berkeley Objects folder, a csv, tsv, parquet "
            "or jsonl file, or a URI such as s3://bucket/folder."
        )
    return location


def sample_shop(settings: StackSettings, items: int) -> tuple[str, str]:
    """Make the sample shop unless it is there; returns its folder and one line about it. Raises ServiceFailed."""
    shop = settings.var / "shop"
    command = [sys.executable, "-m", "infra.sample_shop", "--out", str(shop), "--items", str(items)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceFailed(f"the sample shop could not be made:\n{done.stderr.strip()}")
    lines = done.stdout.strip().splitlines()
    return str(shop), lines[-1] if lines else ""
