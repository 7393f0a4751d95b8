"""From what was measured to ten and a hundred million products: every assumption by name, every formula a function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from benchmarks.cost.figures import Figures, each, extended
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import choose_nlist
from tasks.schema.config import Config

DIM = 512
_GB, _HOUR, _HOURS_A_MONTH = 1e9, 3600.0, 730.0
#: Every vector is compared with 4 sqrt(n) cells; all else is done once for each product.
EXPONENTS = {"index": 1.5}
_CODE_BYTES = {"ivf_fp16": 2 * DIM, "ivf_refine": 2 * DIM + DIM // 2, "ivf_sq8": DIM, "ivf_pq": IndexConfig().pq_bytes}


class Assumptions(Config):
    """What was not measured here. Round figures, not a vendor's: put in your own."""

    gpu_pictures: float = Field(
        6000, gt=0, description="ViT-B-32 images per second on one GPU (an H100 beside 16 cores, which decode: 6,200)"
    )
    gpu_hour: float = Field(3.0, ge=0, description="Dollars for one GPU for an hour, its machine included")
    core_hour: float = Field(0.05, ge=0, description="Dollars for a core for an hour")
    core_gb: float = Field(8, gt=0, description="GB of memory that come with a core")
    gb_month: float = Field(0.02, ge=0, description="Dollars for a GB in the store for a month")
    machine_gb: float = Field(64, gt=0, description="GB of memory of the largest machine you would rent for a night")
    night_hours: float = Field(6, gt=0, description="Hours a night may take")


@dataclass(frozen=True)
class Estimate:
    """What ``items`` products come to. Hours are core-hours, or GPU-hours where the name says so."""

    items: int
    reading_hours: float
    gpu_hours: float
    embedding_hours: float
    catalog_hours: float
    index_hours: float
    night_hours: float
    build_gb: float
    night_gb: float
    index_gb: dict[str, float]
    items_gb: float
    store_gb: float
    first_dollars: float
    night_dollars: float
    store_dollars: float
    replica_dollars: float

    @property
    def replica_gb(self) -> float:
        """Memory of one app process with the index as `ivf_fp16`, all of it read once."""
        return self.index_gb["ivf_fp16"] + self.items_gb


def index_bytes(items: int, kind: str) -> float:
    """Bytes of an IVF index: codes, an 8-byte row number for each, the cells' centres in float32."""
    return items * (_CODE_BYTES[kind] + 8) + choose_nlist(items, IndexConfig(), kind) * DIM * 4


def estimate(figures: Figures, items: int, given: Assumptions) -> Estimate:
    """Extrapolate each stage from its fixed part and its growth (`extended`)."""
    prices = figures.prices
    catalog, index, publish = (_hours(figures, stage)(items) for stage in ("prepare", "index", "publish"))
    reading = items * prices.reading_cores / _HOUR
    embedding = items / given.gpu_pictures / _HOUR
    night, night_gpu = _night(figures, items, given)
    store_gb = _stored_bytes(figures, items) / _GB
    items_gb = extended(figures.note("replica", "held_mb"))(items) / 1000
    sizes = {kind: index_bytes(items, kind) / _GB for kind in _CODE_BYTES}
    replica_cores = max(2, (sizes["ivf_fp16"] + items_gb) / given.core_gb)
    return Estimate(
        items=items,
        reading_hours=reading,
        gpu_hours=embedding,
        embedding_hours=items * prices.embedding_cores / _HOUR,
        catalog_hours=catalog,
        index_hours=index,
        night_hours=night,
        build_gb=peak_gb(figures, "index")(items),
        night_gb=peak_gb(figures, "night")(items),
        index_gb=sizes,
        items_gb=items_gb,
        store_gb=store_gb,
        first_dollars=(reading + catalog + index + publish) * given.core_hour + embedding * given.gpu_hour,
        night_dollars=night * given.core_hour + night_gpu * given.gpu_hour,
        store_dollars=store_gb * given.gb_month,
        replica_dollars=replica_cores * given.core_hour * _HOURS_A_MONTH,
    )


def peak_gb(figures: Figures, stage: str) -> Callable[[float], float]:
    """``n`` -> GB that the stage's process holds at its peak."""
    peaks = extended({items: spent.peak_mb for items, spent in figures.of(stage).items()})
    return lambda items: peaks(items) / 1000


def last_that_fits(value: Callable[[float], float], limit: float, most: float = 1e12) -> float:
    """Largest number of products at which a rising ``value`` is no more than ``limit``."""
    low, high = 0.0, most
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) <= limit else (low, middle)
    return low


def _hours(figures: Figures, stage: str) -> Callable[[float], float]:
    seconds = {items: spent.cores for items, spent in figures.of(stage).items()}
    extend = extended(seconds, EXPONENTS.get(stage, 1.0))
    return lambda items: extend(items) / _HOUR


def _night(figures: Figures, items: float, given: Assumptions) -> tuple[float, float]:
    """Core-hours of a night, and GPU-hours: the index is built anew in full, only what changed is embedded."""
    nights, built = figures.of("night"), {items: spent.cores for items, spent in figures.of("index").items()}
    embedded = {size: spent.notes["embedded"] for size, spent in nights.items()}
    rest = {
        size: max(0.0, spent.cores - built[size] - embedded[size] * figures.prices.embedding_cores)
        for size, spent in nights.items()
    }
    gpu = items * each(embedded) / given.gpu_pictures / _HOUR
    return extended(rest)(items) / _HOUR + _hours(figures, "index")(items), gpu


def _stored_bytes(figures: Figures, items: int) -> float:
    """One release: images, catalogue, vectors, and the index of two nights, of which one is being replaced."""
    parts = {name: figures.note("publish", f"{name}_bytes") for name in ("catalogs", "embeddings", "sources")}
    tables = extended({size: held - index for size, held, index in _index_folder(figures)})(items)
    rows = sum(extended(points)(items) for points in parts.values())
    return items * figures.prices.stored_bytes + rows + 2 * (index_bytes(items, "ivf_fp16") + tables)


def _index_folder(figures: Figures) -> list[tuple[int, float, float]]:
    """(products, bytes of the index's folder, bytes of index.faiss in it) of each size."""
    whole, index = figures.note("publish", "indexes_bytes"), figures.note("index", "index_bytes")
    return [(items, whole[items], index[items]) for items in whole]


def table(estimates: Sequence[Estimate]) -> str:
    """Markdown: a column for each number of products."""
    lines: list[tuple[str, Callable[[Estimate], str]]] = [
        ("read and check the images, core-hours", lambda one: number(one.reading_hours)),
        ("embed them, GPU-hours", lambda one: number(one.gpu_hours)),
        ("or, without a GPU, core-hours", lambda one: number(one.embedding_hours)),
        ("catalogue, core-hours", lambda one: number(one.catalog_hours)),
        ("index, core-hours", lambda one: number(one.index_hours)),
        ("**first build, with a GPU**", lambda one: f"**${number(one.first_dollars)}**"),
        ("a night, 1 % changed, core-hours", lambda one: number(one.night_hours)),
        ("**a night, 1 % changed**", lambda one: f"**${number(one.night_dollars)}**"),
        ("memory of the index's build, GB", lambda one: number(one.build_gb)),
        ("memory of the night, GB", lambda one: number(one.night_gb)),
        *((f"index as `{kind}`, GB", _index_gb(kind)) for kind in _CODE_BYTES),
        ("products and model beside it in a replica, GB", lambda one: number(one.items_gb)),
        ("**memory of a replica** with `ivf_fp16`, GB", lambda one: f"**{number(one.replica_gb)}**"),
        ("a replica, a month", lambda one: f"${number(one.replica_dollars)}"),
        ("in the store, GB", lambda one: number(one.store_gb)),
        ("the store, a month", lambda one: f"${number(one.store_dollars)}"),
    ]
    head = "| products | " + " | ".join(f"{one.items / 1e6:g} M" for one in estimates) + " |"
    rows = [f"| {name} | " + " | ".join(tell(one) for one in estimates) + " |" for name, tell in lines]
    return "\n".join([head, "|---|" + "---:|" * len(estimates), *rows])


def ends(figures: Figures, given: Assumptions) -> str:
    """Markdown: how many products one machine takes, stage by stage."""
    rows = []
    for stage in ("prepare", "index", "publish", "night"):
        grown = each({items: spent.peak_mb for items, spent in figures.of(stage).items()}) * 1e6
        most = last_that_fits(peak_gb(figures, stage), given.machine_gb)
        rows.append((stage, f"{grown:,.0f}", millions(most)))
    held = extended(figures.note("replica", "held_mb"))
    replica = last_that_fits(lambda n: held(n) / 1000 + index_bytes(int(n), "ivf_fp16") / _GB, given.machine_gb)
    a_product = each(figures.note("replica", "held_mb")) * 1e6 + _CODE_BYTES["ivf_fp16"] + 8
    rows.append(("replica of the app", f"{a_product:,.0f}", millions(replica)))
    night = last_that_fits(lambda n: sum(_night(figures, n, given)), given.night_hours)
    head = f"| stage | bytes for each product | products in {given.machine_gb:g} GB |\n|---|---:|---:|"
    lines = [f"| {stage} | {grown} | {most} |" for stage, grown, most in rows]
    return "\n".join(
        [head, *lines, f"| a night of {given.night_hours:g} hours on one core and a GPU | | {millions(night)} |"]
    )


def _index_gb(kind: str) -> Callable[[Estimate], str]:
    return lambda one: number(one.index_gb[kind])


def millions(items: float) -> str:
    """Two digits of it: more would claim to know."""
    return f"{number(items / 1e6)} M"


def number(value: float) -> str:
    """Two digits that count."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}" if value else "0"
