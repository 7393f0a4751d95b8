"""Time and memory of every stage at 1,000, 10,000 and 100,000 products, and what they come to at ten and a hundred M.

python -m benchmarks.cost_curve                                          # ten minutes on two idle cores
python -m benchmarks.cost_curve --items 1000 10000 100000 1000000        # an hour, and 30 GB of disk
python -m benchmarks.cost_curve --kept var/cost_curve.json --document docs/scale.md --figure docs/scale.svg

Each stage is the product's own task or flow on a real Prefect server, in a process of its own. Pictures are the
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

from benchmarks.cost_extrapolation import Assumptions, ends, estimate, number, table
from benchmarks.cost_figures import Figures, Prices, Spent, extended, memory_growth, time_growth
from benchmarks.cost_picture import draw
from benchmarks.cost_stages import SizedShop
from benchmarks.nightly_cost import store_model
from benchmarks.servers import running_prefect
from tasks.clip.device import native_bf16

STAGES = ("prepare", "plan", "index", "publish", "replica", "quiet night", "night")
_AT_A_SIZE = ("open", "prepare", "plan", "vectors", "index", "publish", "replica", "quiet night", "change", "night")
#: Sorting costs n log n and the machine is never quite the same twice: a tenth over linear is no finding.
_LINEAR = 1.15
#: Every vector is compared with 4 sqrt(n) cells.
_TIME = {"index": 1.6, "night": 1.6}
_BUILD_MB, _AT = 6 * 1024, 1_000_000
_BYTES_A_VECTOR = 1100  # of 512 half-precision numbers
_LARGE = (1_000_000, 10_000_000, 100_000_000)


class Bench:
    """Where shops and their stores lie, and the server that the stages report to."""

    def __init__(self, folder: Path, model: str, api: str) -> None:
        self.folder, self.model, self.api, self.cache = folder, model, api, folder / "cache"
        os.environ |= {"STORE_URI": str(folder / "model"), "STORE_CACHE": str(self.cache)}
        store_model(model, folder / "made")

    def prices(self, pictures: int) -> Prices:
        """Of a shop of photographs."""
        shop = self._shop("photographs", pictures, photographs=True)
        shop.run("open")
        reading, embedding = (shop.run(stage) for stage in ("prepare", "embed"))
        return Prices(
            pictures=pictures,
            reading=reading.seconds / pictures,
            reading_cores=reading.cores / pictures,
            embedding=embedding.seconds / pictures,
            embedding_cores=embedding.cores / pictures,
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


def measured(figures: Figures) -> str:
    """Markdown: a line for each stage, a column for each size."""
    sizes = sorted(figures.sizes)
    lines = [
        "| stage | " + " | ".join(f"{items:,}" for items in sizes) + " | time | memory |",
        "|---|" + "---:|" * (len(sizes) + 2),
    ]
    for stage in STAGES:
        points = figures.of(stage)
        cells = [_cell(points[items]) if items in points else "-" for items in sizes]
        powers = [_power(grows(figures, stage)) for grows in (time_growth, memory_growth)]
        lines.append(f"| {stage} | " + " | ".join([*cells, *powers]) + " |")
    for name, stage, note, scale, unit in (
        ("search of one text", "replica", "search_ms", 1.0, "ms"),
        ("the same with its encoding", "replica", "answer_ms", 1.0, "ms"),
        ("replica, PSS", "replica", "pss_mb", 1.0, "MB"),
        ("index file", "index", "index_bytes", 1e-6, "MB"),
        ("catalogue, vectors, index in the store", "publish", "stored", 1e-6, "MB"),
    ):
        notes = _stored(figures) if note == "stored" else figures.note(stage, note)
        cells = [f"{number(scale * notes[items])} {unit}" if items in notes else "-" for items in sizes]
        lines.append(f"| {name} | " + " | ".join([*cells, "", ""]) + " |")
    return "\n".join(lines)


def _stored(figures: Figures) -> dict[int, float]:
    names = ("catalogs_bytes", "embeddings_bytes", "indexes_bytes", "sources_bytes")
    return {items: sum(spent.notes.get(name, 0.0) for name in names) for items, spent in figures.of("publish").items()}


def _cell(spent: Spent) -> str:
    return f"{spent.cores:.1f} s, {spent.peak_mb:,.0f} MB"


def _power(exponent: float | None) -> str:
    return "" if exponent is None else f"n^{exponent:.2f}"


def of_one_picture(figures: Figures) -> str:
    """One line."""
    prices = figures.prices
    reading, embedding = (1000 * cores for cores in (prices.reading_cores, prices.embedding_cores))
    return (
        f"A picture, on a sample of {prices.pictures}: {reading:.0f} processor ms to read, check and store it "
        f"({prices.stored_bytes / 1000:.0f} kB), {embedding:.0f} to embed it with {figures.model}, "
        f"{prices.embedding_mb:.0f} MB beside the model however many there are."
    )


def bars(figures: Figures) -> dict[str, bool]:
    """Each bar, and whether it is met. Growth needs three sizes."""
    found = {}
    for stage in STAGES:
        for what, exponent, bar in (
            ("time", time_growth(figures, stage), _TIME.get(stage, _LINEAR)),
            ("memory", memory_growth(figures, stage), _LINEAR),
        ):
            if exponent is not None:
                found[f"{what} of {stage} grows as n^{exponent:.2f} (at most {bar})"] = exponent <= bar
    peaks = extended({items: spent.peak_mb for items, spent in figures.of("index").items()})
    found[f"an index of {_AT:,} builds in {peaks(_AT):,.0f} MB (at most {_BUILD_MB:,})"] = peaks(_AT) <= _BUILD_MB
    largest = max(figures.note("index", "index_bytes"))
    each = figures.note("index", "index_bytes")[largest] / largest
    found[f"a vector takes {each:,.0f} bytes (at most {_BYTES_A_VECTOR:,})"] = each <= _BYTES_A_VECTOR
    return found


def report(figures: Figures, given: Assumptions) -> dict[str, str]:
    """The parts of the document that are computed, by the name of their place in it."""
    return {
        "machine": figures.machine,
        "measured": f"{measured(figures)}\n\n{of_one_picture(figures)}",
        "assumed": "\n".join(
            f"- {field.description}: **{number(getattr(given, name))}** (`--{name.replace('_', '-')}`)"
            for name, field in Assumptions.model_fields.items()
        ),
        "extrapolated": table([estimate(figures, items, given) for items in _LARGE]),
        "ends": ends(figures, given),
    }


def fill(document: str, parts: dict[str, str]) -> str:
    """``document`` with each part between its two marks ``<!-- name -->`` and ``<!-- /name -->``."""
    for name, text in parts.items():
        before, mark, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- /{name} -->")
        if not mark or not end:
            raise SystemExit(f"the document has no place <!-- {name} --> ... <!-- /{name} -->")
        document = f"{before}{mark}{text}{end}{after}"
    return document


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
        made.add_argument(
            f"--{name.replace('_', '-')}", type=field.annotation, default=field.default, help=field.description
        )
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
    verdict = bars(figures)
    for bar, met in verdict.items():
        print(f"{'met   ' if met else 'MISSED'} {bar}")
    print("PASSED" if all(verdict.values()) else "FAILED")
    return all(verdict.values())


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
