"""What orchestration costs: the pipeline through Prefect beside the same code called as plain functions.

    python -m benchmarks.orchestration_overhead               100 000 products
    python -m benchmarks.orchestration_overhead --tiny        a minute; bars of time are not held

Both ways run the product's own flows, each in a process and over a store of its own, in turns, and have to end in the
same files. Without Prefect its names are plain Python (`benchmarks/cost/without_prefect.py`), and the process may not
open one connection. Prefect's server runs on the same machine.

Images and model are tiny, so that the work is as little as it can be. What Prefect adds is taken from the run through
it: seconds in which no task's own code ran, and those that its process takes longer to start and to end. It depends on
the number of shards and not on what they cost, so that it is a share of the same run that no real model reaches, and,
with the images embedded by the default model (measured on a sample, multiplied), the share that is held to the bar.
Exits with 1 where a bar is missed.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.cost.flow_cost import Way, run_flow
from benchmarks.cost.orchestration_figures import PREFECT_FIRST, Figures, Measured, cells, report
from benchmarks.cost.prefect_meter import PrefectMeter
from benchmarks.harness import synthetic
from benchmarks.harness.servers import running_prefect
from benchmarks.harness.tiny_night import make_tiny_night
from deployments.apply import set_limits
from deployments.settings import StackSettings
from tasks.clip.config import SHARD_SIZE, ModelConfig
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

YESTERDAY = 1_700_000_000.0
_SIDE = 32  # pixels of an image, and of what the model sees
_FRESH = multiprocessing.get_context("forkserver")
#: Few to measure on, for what is asked here is not how good the answers are.
_SPLITS = {"train_share": 0.96, "val_share": 0.02, "test_share": 0.02}
#: Files that say how long something took.
_OF_THE_CLOCK = ("report.html", "training_log.json")
PIPELINE, NIGHT = "flows.pipeline:pipeline", "flows.reindex:reindex"
NIGHTS = {"no image read": False, "every image read": True}
SMALL = ("nothing_below", "call_tasks", "map_tasks", "call_subflows")


@dataclass(frozen=True)
class Shop:
    """A shop whose every image is there, and what the pipeline is told of it."""

    folder: Path
    items: int
    shard_size: int
    whole: bool  # else without training

    def pipeline(self) -> dict[str, Any]:
        """PipelineConfig: the work of every step is as little as it can be, for Prefect's share is what is asked."""
        splits = _SPLITS if self.whole else {}
        return {
            "catalog": {"source": str(self.folder / "shop.csv"), "category_level": 2, **splits},
            "model": {"pretrained": f"local-dir:{self.folder / 'model'}"},
            "fine_tune": self.whole,
            "training": {"recipe": "small", "steps": 20, "batch_size": 64, "evaluations": 1},
            "embed": {"shard_size": self.shard_size},
            "classify": self.whole,
            "classifier": {"epochs": 1, "min_steps": 50},
            "metrics": {"bootstrap_samples": 100},
            "publish_anyway": True,  # gates measure quality, which noise has none of
        }

    def night(self, reread: bool) -> dict[str, Any]:
        """ReindexConfig of a night on which nothing changed."""
        return {"reread_pictures": reread, "embed": {"shard_size": self.shard_size}}


def open_shop(folder: Path, items: int, shard_size: int, whole: bool) -> Shop:
    """Draw every image, as if yesterday."""
    rows = [synthetic.listing(number) for number in range(items)]
    for parent in {(folder / row["image"]).parent for row in rows}:
        parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(_draw, folder), range(items)))
    synthetic.write_table(folder / "shop.csv", rows)
    return Shop(folder, items, shard_size, whole)


def add_model(shop: Shop) -> None:
    """Make the model that the pipeline is told of."""
    shutil.copytree(make_tiny_night(shop.folder / "tiny").model, shop.folder / "model")


def _draw(folder: Path, number: int) -> None:
    path = folder / synthetic.image_of(number)
    path.write_bytes(synthetic.draw(number, _SIDE))
    os.utime(path, (YESTERDAY, YESTERDAY))


@dataclass(frozen=True)
class Bench:
    """Where flows are run and measured."""

    meter: PrefectMeter
    scratch: Path

    def run(self, way: Way, entrypoint: str, config: Any, store: Path) -> Measured:
        """One run over the store in the folder ``store``."""
        environment = os.environ | environment_of(store)
        work = partial(run_flow, way, entrypoint, config, environment, self.scratch / "runs" / way)
        measured = Measured(*self.meter.measure(work))
        print(f"{entrypoint.rpartition(':')[2]}, {way}: {', '.join(cells(measured))}", flush=True)
        return measured


def environment_of(store: Path) -> dict[str, str]:
    """Names the store in a folder, with its cache."""
    return {"STORE_URI": (store / "store").as_uri(), "STORE_CACHE": str(store / "cache")}


def measure(
    bench: Bench,
    shop: Shop,
    rounds: int,
    tasks: int,
    nights: Mapping[str, bool] = NIGHTS,
    small: Sequence[str] = SMALL,
) -> Figures:
    """Both ways in turns, the order turned over from round to round; nights with nothing new in the first."""
    figures = Figures(shop.items, shop.shard_size, idle=bench.meter.idle())
    for number in range(rounds):
        turns = PREFECT_FIRST if number % 2 else PREFECT_FIRST[::-1]
        stores = {way: bench.scratch / f"{way}-{number}" for way in turns}
        for way, store in stores.items():
            figures.pipeline[way].append(bench.run(way, PIPELINE, shop.pipeline(), store))
        plain, prefect = (what_was_made(stores[way]) for way in ("plain", "prefect"))
        figures.differs += sorted(one for one in {**plain, **prefect} if plain.get(one) != prefect.get(one))
        for name, reread in nights.items() if not number else ():
            runs = {way: bench.run(way, NIGHT, shop.night(reread), store) for way, store in stores.items()}
            figures.nights[name] = runs
        for store in stores.values():
            shutil.rmtree(store)
    for name in small:
        count = tasks if name != "call_subflows" else 5
        flow = f"benchmarks.cost.small_flows:{name}"
        figures.small[name] = (count, bench.run("prefect", flow, count, bench.scratch / "small"))
    return figures


def what_was_made(store: Path) -> dict[str, str]:
    """Id of the live release, and the hash of every file of its parts."""
    opened = open_store(StoreSettings(store_uri=(store / "store").as_uri(), store_cache=store / "cache"))
    live = read_live(opened, "production")
    assert live is not None
    release = read_release(opened, live.pointer.release)
    parts = (release.catalog, release.model, release.index, release.classifier, *release.evaluations.values())
    found = {"release": release.id}
    for part in filter(None, parts):
        files = load_manifest(opened, part).files
        found |= {f"{part}/{file.path}": file.sha256 for file in files if file.path not in _OF_THE_CLOCK}
    return found


def seconds_to_embed(folder: Path, sample: int) -> float:
    """What one image takes the default model, with random weights; in a process that the environment is for."""
    with ProcessPoolExecutor(1, mp_context=_FRESH) as pool:
        return pool.submit(_embed_sample, folder, sample).result()


def _embed_sample(folder: Path, sample: int) -> float:
    os.environ.update(environment_of(folder))
    from benchmarks.nightly_cost import seconds_per_image, store_model

    folder.mkdir()
    architecture = ModelConfig().pretrained.partition("/")[0]
    return seconds_per_image(store_model(architecture, folder / "model"), sample)[1]


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, default=100_000)
    made.add_argument("--shard-size", type=int, default=SHARD_SIZE)
    made.add_argument("--rounds", type=int, default=1, help="of the pipeline, each way")
    made.add_argument("--sample", type=int, default=64, help="images embedded with the default model")
    made.add_argument("--tasks", type=int, default=50, help="tasks that the cost of one is measured on")
    made.add_argument("--tiny", action="store_true", help="200 products, no training; bars of time are not held")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = parser().parse_args(arguments)
    items, shard_size = (200, 40) if chosen.tiny else (chosen.items, chosen.shard_size)
    with tempfile.TemporaryDirectory(prefix="orchestration-") as scratch:
        root = Path(scratch)
        shop = open_shop(root / "shop", items, shard_size, whole=not chosen.tiny)
        add_model(shop)
        with running_prefect(root / "stack") as url:
            with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
                set_limits(client, StackSettings())
            figures = measure(Bench(PrefectMeter(url, root / "stack"), root), shop, chosen.rounds, chosen.tasks)
        if not chosen.tiny:
            figures.embedding = seconds_to_embed(root / "real", chosen.sample)
    return 0 if report(figures, judge_time=not chosen.tiny) else 1


if __name__ == "__main__":
    sys.exit(main())
