"""Each stage of `benchmarks/cost_curve.py` at one size: the product's own task or flow, in a process of its own.

The process is forked from one that has imported everything, so a stage's figures hold its work and no imports. Its peak
memory is its own: the kernel's high-water mark, reset as the stage begins.
"""

import os
import resource
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cost.figures import Spent
from benchmarks.harness import synthetic
from benchmarks.harness.app_process import pss_mb
from benchmarks.harness.flow_process import context, import_first, prefect_settings
from benchmarks.harness.memory import status_mb
from benchmarks.nightly_cost import Shop, remember_images, store_vectors
from tasks.catalog.config import CatalogConfig
from tasks.clip.config import EmbedConfig
from tasks.retrieval.config import GateConfig, IndexConfig
from tasks.schema.manifest import ArtifactRef, Kind
from tasks.schema.release import ReleaseParts
from tasks.store.artifacts.manifests import list_artifacts, load_manifest
from tasks.store.objects.store import open_store

import_first("benchmarks.cost.stages", "app.serving.snapshot")

CHANNEL = "production"
_ASKED, _ENCODED = 200, 50  # text queries whose median is a replica's latency
_TOP_K = 10
_INDEX = IndexConfig(refine_from=100_000_000)  # whole vectors at every size: points of one curve are of one kind
_WARM = 64  # images that the model sees before it is measured


class Meter:
    """``with meter:`` around what is measured; ``notes``: further figures by name."""

    def __init__(self) -> None:
        self.spent = Spent(seconds=0, cores=0, peak_mb=0, before_mb=0)  # of a stage that measures nothing
        self.notes: dict[str, float] = {}

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
        self._before = status_mb("VmRSS"), _core_seconds(), time.perf_counter()

    def __exit__(self, *failed: object) -> None:
        memory, cores, began = self._before
        self.spent = Spent(
            seconds=time.perf_counter() - began,
            cores=_core_seconds() - cores,
            peak_mb=status_mb("VmHWM"),
            before_mb=memory,
        )


@dataclass(frozen=True)
class SizedShop:
    """A shop of ``items`` products below ``folder``, its store, and where a Prefect server answers.

    ``photographs``: every image is a real one, to be read; else one byte stands for each, known to the store.
    """

    folder: Path
    items: int
    api: str
    cache: Path
    photographs: bool = False

    @property
    def shop(self) -> Shop:
        """The table and the images."""
        return Shop(self.folder / "shop", self.items)

    @property
    def environment(self) -> dict[str, str]:
        """What names its store."""
        return {"STORE_URI": str(self.folder / "store"), "STORE_CACHE": str(self.cache), "PREFECT_API_URL": self.api}

    def run(self, stage: str, seconds: float = 3600.0) -> Spent:
        """One stage of STAGES in a process of its own. Raises RuntimeError with what it said where it failed."""
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(self, stage, theirs))
        process.start()
        theirs.close()
        try:
            told = ours.recv() if ours.poll(seconds) else f"no end in {seconds:.0f} s"
        except EOFError:
            told = "killed: out of memory?"
        process.kill() if isinstance(told, str) else process.join(60)
        if isinstance(told, str):
            raise RuntimeError(f"{stage} of {self.items:,} products: {told}")
        return told


def newest(kind: Kind) -> ArtifactRef:
    """The newest artifact of the kind in the store."""
    return list_artifacts(open_store(), kind)[0].ref


def _open(shop: SizedShop, meter: Meter) -> None:
    shop.shop.folder.mkdir(parents=True)
    if not shop.photographs:
        shop.shop.open()
        remember_images(shop.shop)
        return
    rows = [synthetic.listing(number) for number in range(shop.items)]
    for number, row in enumerate(rows):
        image = shop.shop.folder / row["image"]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(synthetic.photograph(number))
    synthetic.write_table(shop.shop.table, rows)


def _prepare(shop: SizedShop, meter: Meter) -> None:
    from tasks.prepare_catalog import prepare_catalog

    with meter:
        prepare_catalog(CatalogConfig(source=str(shop.shop.table)))


def _plan(shop: SizedShop, meter: Meter) -> None:
    from tasks.embed import plan_shards

    with meter:
        plan_shards(newest("model"), newest("catalog"), (), EmbedConfig())


def _embed(shop: SizedShop, meter: Meter) -> None:
    """A real plan and real shards. The model is loaded before: once a worker, whatever the number of images."""
    from tasks.embed import embed_shard, plan_shards
    from tasks.stages.encoders import load_encoder

    model, config = newest("model"), EmbedConfig()
    load_encoder(model, config.precision).encode_images([synthetic.draw(0)] * _WARM)
    plan = plan_shards(model, newest("catalog"), (), config)
    with meter:
        for shard in range(plan.shards):
            embed_shard(model, plan, shard, config)
    stored = [info.size for info in open_store().list("images")]
    meter.notes["picture_bytes"] = sum(stored) / len(stored)


def _vectors(shop: SizedShop, meter: Meter) -> None:
    store_vectors(newest("model"), [synthetic.placeholder_sha256(number) for number in range(shop.items)])


def _index(shop: SizedShop, meter: Meter) -> None:
    from tasks.build_index import build_index
    from tasks.stages.encoders import load_encoder

    load_encoder(newest("model")).encode_texts(["a product"])
    with meter:
        index = build_index(newest("model"), newest("catalog"), _INDEX)
    manifest = load_manifest(open_store(), index)
    meter.notes |= {
        "index_bytes": next(file.size for file in manifest.files if file.path == "index.faiss"),
        "nlist": manifest.summary["nlist"],
        "recall": manifest.summary["recall"],
        "nprobe": manifest.summary["search_params"].get("nprobe", 0),
    }


def _publish(shop: SizedShop, meter: Meter) -> None:
    from flows.publish import PromoteConfig, promote
    from tasks.gate import gate_release
    from tasks.publish import make_release
    from tasks.stages.encoders import load_encoder

    load_encoder(newest("model")).encode_texts(["a product"])
    parts = ReleaseParts(catalog=newest("catalog"), model=newest("model"), index=newest("index"))
    with meter:
        report = gate_release(parts, CHANNEL, GateConfig())
        # what is synthesised has no quality to refuse
        release = make_release(parts, report, CHANNEL, why="cost curve", publish_anyway=True)
        promote(PromoteConfig(release=release, channel=CHANNEL, reason="cost curve"))
    for folder in ("catalogs", "embeddings", "indexes", "sources"):
        meter.notes[f"{folder}_bytes"] = sum(info.size for info in open_store().list(folder))


def _replica(shop: SizedShop, meter: Meter) -> None:
    """What the app does with a release, without its page: bring the files, load, test, answer."""
    from app.serving.snapshot import fetch_files, load_snapshot
    from app.settings import AppSettings
    from tasks.store.releases.live import read_live
    from tasks.store.releases.releases import read_release

    store = open_store()
    live = read_live(store, CHANNEL)
    assert live is not None
    with meter:
        release = read_release(store, live.pointer.release)
        snapshot = load_snapshot(release, live.pointer, fetch_files(store, release), AppSettings(device="cpu"))
    texts = [f"{color} {kind}" for color in synthetic.COLORS for kind in synthetic.TYPES]
    queries, single, whole = snapshot.encoder.encode_texts(texts), [], []
    for number in range(_ASKED):
        row = number % len(texts)
        single.append(_milliseconds(lambda: snapshot.searcher.search(queries[row : row + 1], _TOP_K)))  # noqa: B023
    for text in texts[:_ENCODED]:

        def answer() -> None:
            vector = snapshot.encoder.encode_texts([text])  # noqa: B023
            snapshot.items.products(snapshot.searcher.search(vector, _TOP_K)[1][0])

        whole.append(_milliseconds(answer))
    meter.notes |= {
        "search_ms": median(single),
        "answer_ms": median(whole),
        "pss_mb": pss_mb(os.getpid()),
        "held_mb": status_mb("RssAnon"),  # what no page of a file stands behind
    }


def _change(shop: SizedShop, meter: Meter) -> None:
    shop.shop.change()


def _quiet_night(shop: SizedShop, meter: Meter) -> None:
    """Nothing changed: no model is loaded, here as in a worker."""
    from flows.reindex import ReindexConfig, reindex

    with meter:
        done = reindex(ReindexConfig(channel=CHANNEL))
    _tell(meter, done["changes"])


def _night(shop: SizedShop, meter: Meter) -> None:
    from flows.reindex import ReindexConfig, reindex
    from tasks.stages.encoders import load_encoder

    load_encoder(newest("model"), "auto").encode_images([synthetic.draw(0)] * _WARM)
    with meter:
        done = reindex(ReindexConfig(channel=CHANNEL, publish_anyway=True, index=_INDEX))
    _tell(meter, done["changes"])


def _tell(meter: Meter, changes: Mapping[str, int]) -> None:
    meter.notes["embedded"] = changes.get("new", 0) + changes.get("image_changed", 0)
    meter.notes["changed"] = sum(count for kind, count in changes.items() if kind != "unchanged")


#: In order. `_open`, `_vectors` and `_change` make what the others need.
STAGES: dict[str, Callable[[SizedShop, Meter], None]] = {
    "open": _open,
    "prepare": _prepare,
    "plan": _plan,
    "embed": _embed,
    "vectors": _vectors,
    "index": _index,
    "publish": _publish,
    "replica": _replica,
    "quiet night": _quiet_night,
    "change": _change,
    "night": _night,
}


def _run(shop: SizedShop, stage: str, result: Connection) -> None:
    """In the child."""
    os.environ.update(shop.environment)
    try:
        with prefect_settings(shop.api):
            result.send(_in_a_flow(shop, stage))
    except BaseException:
        result.send(traceback.format_exc()[-3000:])


def _in_a_flow(shop: SizedShop, stage: str) -> Spent:
    from prefect import flow

    meter = Meter()

    @flow(name=stage.replace(" ", "-"))
    def one_stage() -> None:
        STAGES[stage](shop, meter)

    one_stage()
    return meter.spent.model_copy(update={"notes": meter.notes})


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _core_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
