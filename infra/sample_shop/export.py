"""Write the shop as the Amazon Berkeley Objects export lays it out: listings, images.csv.gz and JPEG files."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .images import ImageJob, jobs_of, write_image
from .listings import listing_of
from .shop import Changes, Entry, shop_on

RECIPE = 3  # raise when the same parameters no longer give the same bytes
MARKER, PARTIAL = "shop.json", "shop.partial.json"
_LINES_PER_SHARD = 500


@dataclass(frozen=True)
class ShopSummary:
    """What a build left on disk; `up_to_date` when nothing had to be done."""

    out: Path
    items: int
    images: int
    defects: dict[str, int]
    seconds: float
    up_to_date: bool


def build_shop(out: Path, items: int = 3000, seed: int = 7, day: int = 0, workers: int | None = None) -> ShopSummary:
    """Render the shop of `seed` on `day` into `out`; a finished shop is left alone, a partial one is completed."""
    started = time.perf_counter()
    out = Path(out)
    wanted = {"recipe": RECIPE, "items": items, "seed": seed, "day": day}
    found = _read(out / MARKER)
    if found and all(found.get(key) == value for key, value in wanted.items()):
        return _summary(out, found, started, up_to_date=True)
    _prepare(out, wanted)
    entries, changes = shop_on(day, items, seed)
    jobs = [job for entry in entries for job in jobs_of(entry)]
    _write_images(out, jobs, workers)
    _drop_strangers(out, jobs)
    _write_images_csv(out, jobs)
    _write_listings(out, entries)
    record = wanted | _record(entries, changes, jobs)
    _write_text(out / MARKER, json.dumps(record, indent=1, ensure_ascii=False))
    (out / PARTIAL).unlink()
    return _summary(out, record, started, up_to_date=False)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write_text(path: Path, text: str) -> None:
    """Write whole or not at all: a reader never meets half a marker."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _prepare(out: Path, wanted: dict[str, int]) -> None:
    """Make `out` ready: keep images of the same seed and recipe, clear another shop's, refuse a stranger's folder."""
    before = _read(out / MARKER) or _read(out / PARTIAL)
    if out.is_dir() and not before and any(out.iterdir()):
        raise ValueError(f"{out} is not empty and holds no sample shop; name an empty or new folder")
    if any(before.get(key) != wanted[key] for key in ("recipe", "seed")):
        for part in ("listings", "images"):
            shutil.rmtree(out / part, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    _write_text(out / PARTIAL, json.dumps(wanted))
    (out / MARKER).unlink(missing_ok=True)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Start workers with one BLAS thread each: many workers with many threads would fight for the cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _write_images(out: Path, jobs: list[ImageJob], workers: int | None) -> None:
    """Render what is not on disk yet, on `workers` processes (one for each core if None)."""
    todo = [(out, job) for job in jobs if not (out / "images/small" / job.path).is_file()]
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(todo) < 8:
        for _ in _progress((write_image(job) for job in todo), len(todo)):
            pass
        return
    # spawn, not fork: the caller may hold threads (Prefect, torch) whose locks a fork would copy.
    # An executor, not a Pool: it reports workers that die at start, where a Pool starts new ones for ever.
    context = multiprocessing.get_context("spawn")
    with _single_threaded_children(), ProcessPoolExecutor(workers, mp_context=context) as pool:
        for _ in _progress(pool.map(write_image, todo, chunksize=16), len(todo)):
            pass


def _progress(steps: Iterable[str], total: int) -> Iterable[str]:
    """A bar on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(steps, total=total, unit="image", desc="render")
        return
    for done, step in enumerate(steps, 1):
        if done % 1000 == 0:
            print(f"rendered {done} of {total} images", file=sys.stderr, flush=True)
        yield step


def _drop_strangers(out: Path, jobs: list[ImageJob]) -> None:
    """Delete images that belong to another day of the same shop."""
    wanted = {job.path for job in jobs}
    root = out / "images/small"
    for path in root.glob("*/*"):
        if path.relative_to(root).as_posix() not in wanted:
            path.unlink()


def _gzip(text: str) -> bytes:
    """Compressed without a time stamp, so that equal shops are equal files."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream:
        stream.write(text.encode())
    return buffer.getvalue()


def _write_images_csv(out: Path, jobs: list[ImageJob]) -> None:
    rows = [f"{job.image_id},{job.size},{job.size},{job.path}" for job in jobs]
    target = out / "images/metadata/images.csv.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_gzip("\n".join(["image_id,height,width,path", *rows]) + "\n"))


def _line(entry: Entry) -> str:
    """One JSON line, broken where the entry says so."""
    image_ids = [job.image_id for job in jobs_of(entry)] or [ImageJob(entry.product, 0, 0).image_id]
    listing = listing_of(entry.product, entry.text_revision, image_ids) | {"item_id": entry.item_id}
    if entry.defect == "missing_title":
        del listing["item_name"]
    elif entry.defect == "blank_title":
        listing["item_name"] = [{"language_tag": "en_US", "value": "   "}]
    elif entry.defect == "missing_main_image_id":
        del listing["main_image_id"]
    text = json.dumps(listing, ensure_ascii=False)
    return text[: len(text) * 2 // 3] if entry.defect == "malformed_json" else text


def _write_listings(out: Path, entries: list[Entry]) -> None:
    folder = out / "listings/metadata"
    shutil.rmtree(folder, ignore_errors=True)  # another day may have had more shards
    folder.mkdir(parents=True)
    n_shards = max(2, -(-len(entries) // _LINES_PER_SHARD))
    size = -(-len(entries) // n_shards)
    for shard in range(n_shards):
        lines = [_line(entry) for entry in entries[shard * size : (shard + 1) * size]]
        (folder / f"listings_{shard:x}.json.gz").write_bytes(_gzip("".join(line + "\n" for line in lines)))


def _record(entries: list[Entry], changes: Changes, jobs: list[ImageJob]) -> dict[str, Any]:
    """What shop.json says: counts, the broken listings, groups and the changes of the day."""
    designs: dict[tuple[int, int], list[str]] = {}
    for entry in entries:
        designs.setdefault(entry.product.key, []).append(entry.item_id)
    copies = {
        mode: [
            [entry.item_id, *designs[entry.product.copy_of][:1]]
            for entry in entries
            if entry.product.copy_mode == mode and entry.product.copy_of in designs
        ]
        for mode in ("near", "identical")
    }
    families = [ids for ids in designs.values() if len(ids) > 1]
    types = Counter(entry.product.type for entry in entries)
    return {
        "counts": {
            "listings": len(entries),
            "images": len(jobs),
            "designs": len(designs),
            "families": len(families),
            "defects": sum(bool(entry.defect) for entry in entries),
        },
        "types": dict(types.most_common()),
        "defects": [{"kind": entry.defect, "item_id": entry.item_id} for entry in entries if entry.defect],
        "changes": asdict(changes),
        "groups": {"families": families, "near_duplicates": copies["near"], "identical_pictures": copies["identical"]},
    }


def _summary(out: Path, record: dict[str, Any], started: float, up_to_date: bool) -> ShopSummary:
    kinds = Counter(defect["kind"] for defect in record["defects"])
    return ShopSummary(
        out,
        record["counts"]["listings"],
        record["counts"]["images"],
        dict(kinds),
        time.perf_counter() - started,
        up_to_date,
    )
