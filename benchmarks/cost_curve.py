"""Time and memory of every stage at 1,000, 10,000 and 100,000 products, and what they come to at ten and a hundred M.

python -m benchmarks.cost_curve                                          # ten minutes on two idle cores
python -m benchmarks.cost_curve --items 1000 10000 100000 1000000        # an hour, and 30 GB of disk
python -m benchmarks.cost_curve --kept var/cost_curve.json --document docs/scale.md --figure docs/scale.svg

Each stage is the product's own task or flow on a real Prefect server, in a process of its own. Images are the
exception: what reading and embedding one takes is measured on a sample of photographs with a real ViT-B-32, and one
byte stands for each of the rest, whose vectors are synthesised. Sizes that ``--kept`` holds are not measured again.
Growth is judged on processor seconds and on peak memory, between the two largest sizes. Exits with 1 where a
bar is missed.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.cost.extrapolation import Assumptions
from benchmarks.cost.figures import Figures, Prices
from benchmarks.cost.plot import draw
from benchmarks.cost.report import STAGES, bars, fill, report
from benchmarks.cost.stages import SizedShop
from benchmarks.harness.servers import running_prefect
from benchmarks.harness.verdict import verdict
from benchmarks.nightly_cost import store_model
from tasks.clip.device import native_bf16

_AT_A_SIZE = ("open", "prepare", "plan", "vectors", "index", "publish", "replica", "quiet night", "change", "night")


class Bench:
    """Where shops and their stores lie, and the server that the stages report to."""

    def __init__(self, folder: Path, model: str, api: str) -> None:
        self.folder, self.model, self.api, self.cache = folder, model, api, folder / "cache"
        os.environ |= {"STORE_URI": str(folder / "model"), "STORE_CACHE": str(self.cache)}
        store_model(model, folder / "made")

    def prices(self, images: int) -> Prices:
        """Of a shop of photographs."""
        shop = self._shop("photographs", images, photographs=True)
        shop.run("open")
        reading, embedding = (shop.run(stage) for stage in ("prepare", "embed"))
        return Prices(
            pictures=images,
            reading=reading.seconds / images,
            reading_cores=reading.cores / images,
            embedding=embedding.seconds / images,
            embedding_cores=embedding.cores / images,
            stored_bytes=embedding.notes["picture_bytes"],
            embedding_mb=embedding.grown_mb,
        )

    def measure(self, figures: Figures, items: int, keep: Callable[[], None]) -> None:
        """Every stage at one size, into ``figures``; a stage that fails (memory, disk) ends the size there."""
        shop = self._shop(str(items), items)
        found = figures.sizes.setdefault(items, {})
        for stage in _AT_A_SIZE:
            try:
                spent = shop.run(stage)
            except RuntimeError as error:
                print(f"NOT MEASURED from here on: {error}", flush=True)
                break
            if stage in STAGES:
                found[stage] = spent
                keep()
                told = f"{spent.seconds:8.1f} s {spent.cores:8.1f} processor s {spent.peak_mb:8.0f} MB"
                print(f"{items:>9,} {stage:12}{told}", flush=True)
        shutil.rmtree(shop.folder)

    def _shop(self, name: str, items: int, photographs: bool = False) -> SizedShop:
        folder = self.folder / name
        shutil.copytree(self.folder / "model" / "models", folder / "store" / "models", copy_function=os.link)
        return SizedShop(folder, items, self.api, self.cache, photographs)


def machine() -> str:
    """This one, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    bf16 = "bfloat16" if native_bf16(torch.device("cpu")) else "no bfloat16"
    return f"{os.cpu_count()} cores of {name} ({bf16}), {memory:.0f} GB of memory, no GPU, the store in a folder."


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    made.add_argument("--model", default="ViT-B-32", help="an architecture of OpenCLIP with random weights, or small")
    made.add_argument("--pictures", type=int, default=192, help="photographs that the price of one is measured on")
    made.add_argument("--kept", type=Path, help="figures as JSON: read where it is there, written with what is new")
    made.add_argument("--document", type=Path, help="docs/scale.md: its computed parts are written anew")
    made.add_argument("--figure", type=Path, help="where the plot goes, as SVG")
    for name, field in Assumptions.model_fields.items():
        made.add_argument(f"--{name.replace('_', '-')}", type=float, default=field.default, help=field.description)
    return made


def measure(figures: Figures | None, chosen: argparse.Namespace, api: str, folder: Path) -> Figures:
    """What ``figures`` lacks of the sizes asked for."""
    bench = Bench(folder, chosen.model, api)
    if figures is None:
        figures = Figures(machine=machine(), model=chosen.model, prices=bench.prices(chosen.pictures))

    def keep() -> None:
        if chosen.kept:
            chosen.kept.write_text(figures.model_dump_json(indent=1))

    for items in chosen.items:
        if items not in figures.sizes:
            bench.measure(figures, items, keep)
    return figures


def tell(figures: Figures, given: Assumptions, chosen: argparse.Namespace) -> bool:
    """Print everything, write the document and the plot, and return the verdict."""
    parts = report(figures, given)
    print("\n" + "\n\n".join(parts.values()) + "\n")
    if chosen.document:
        chosen.document.write_text(fill(chosen.document.read_text(), parts))
    if chosen.figure:
        chosen.figure.write_bytes(draw({stage: figures.of(stage) for stage in STAGES}))
    return verdict(bars(figures))


def main(arguments: Sequence[str] | None = None, api: str | None = None) -> int:
    """Returns the exit code. api: a Prefect server to use; else one is started."""
    chosen = parser().parse_args(arguments)
    given = Assumptions(**{name: getattr(chosen, name) for name in Assumptions.model_fields})
    kept = chosen.kept
    figures = Figures.model_validate_json(kept.read_text()) if kept and kept.exists() else None
    if figures is None or set(chosen.items) - set(figures.sizes):
        with tempfile.TemporaryDirectory(prefix="cost-curve-") as scratch:
            folder = Path(scratch)
            if api:
                figures = measure(figures, chosen, api, folder)
            else:
                with running_prefect(folder / "prefect") as server:
                    figures = measure(figures, chosen, server, folder)
    return 0 if tell(figures, given, chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
