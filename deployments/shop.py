"""What a command runs the pipeline on: the shop that was named or the sample shop, and the flags."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from deployments.environment import absolute
from deployments.processes import ServiceFailed
from deployments.settings import ROOT, StackSettings
from deployments.terminal import Stages

if TYPE_CHECKING:
    from flows.pipeline import PipelineConfig

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


def check_flags(flags: Sequence[str]) -> None:
    """End the program where the pipeline's flags are wrong or ask for help, before anything is made or started.

    In a process of its own: this one may not import Prefect yet.
    """
    if not flags:
        return
    done = subprocess.run([sys.executable, "-m", "deployments.shop", *flags], cwd=ROOT, check=False)
    if done.returncode or {"-h", "--help"} & set(flags):
        raise SystemExit(done.returncode)


def chosen_shop(stages: Stages, settings: StackSettings, catalog: str, items: int) -> str:
    """Path or URI of ``catalog``, or of the sample shop, which is made first. Raises ServiceFailed."""
    with stages.stage(f"Catalogue {escape(catalog)}" if catalog else "Sample shop") as stage:
        source, words = (catalog, "") if catalog else _sample_shop(settings, items)
        stage.note = escape(words)
    return source


def _sample_shop(settings: StackSettings, items: int) -> tuple[str, str]:
    """Make the sample shop unless it is there; returns its folder and one line about it."""
    shop = settings.var / "shop"
    command = [sys.executable, "-m", "infra.sample_shop", "--out", str(shop), "--items", str(items)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceFailed(f"the sample shop could not be made:\n{done.stderr.strip()}")
    lines = done.stdout.strip().splitlines()
    return str(shop), lines[-1] if lines else ""


def pipeline_config(settings: StackSettings, source: str, flags: Sequence[str]) -> "PipelineConfig":
    """Parameters of a pipeline run over ``source``: the stack's model unless a flag names one, then every flag.

    A fault in the flags ends the program with all of them. Imports Prefect, so set its environment first.
    """
    from flows.pipeline import PipelineConfig
    from tasks.schema.command import read_flags

    model = [] if any(flag.startswith("--model") for flag in flags) else ["--model.pretrained", settings.model]
    return read_flags(PipelineConfig, "FLAGS", ["--catalog.source", source, *model, *flags])


if __name__ == "__main__":
    pipeline_config(StackSettings(), "SOURCE", sys.argv[1:])
