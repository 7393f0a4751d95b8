"""A night small enough to be run a hundred times: 64 drawn products, half of whose images change until the next day.

What it shares with a real night is the flow, every task and every object; only the shop and the model are tiny.
"""

import csv
import hashlib
import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from flows.pipeline import PipelineConfig
from flows.reindex import ReindexConfig
from tasks.schema.errors import ProductSearchError
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.embeddings import load_vectors
from tasks.store.artifacts.images import read_image
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

ITEMS, CHANGED, NEW, GONE, SHARD = 64, 30, 2, 2, 8
SHARDS = (CHANGED + NEW) // SHARD
_TYPES = ("mug", "chair", "lamp", "sofa")
_MODEL: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


class BadRelease(Exception):
    """Raised when what is live is not whole."""


@dataclass(frozen=True)
class TinyNight:
    """Where the shop of two days and the model lie."""

    folder: Path

    @property
    def model(self) -> Path:
        """Folder of the untrained model."""
        return self.folder / "model"

    def first(self) -> PipelineConfig:
        """The first publication: everything but training. Gates measure quality, which noise has none of."""
        return PipelineConfig.model_validate(
            {
                "catalog": {"source": str(self.folder / "day-0/products.csv")},
                "model": {"pretrained": f"local-dir:{self.model}"},
                "embed": {"shard_size": 2 * SHARD, "batch_size": SHARD},
                "metrics": {"bootstrap_samples": 100},
                "fine_tune": False,
                "classify": False,
                "publish_anyway": True,
            }
        )

    def night(self) -> ReindexConfig:
        """The night after the shop changed."""
        return ReindexConfig.model_validate(
            {
                "source": str(self.folder / "day-1/products.csv"),
                "embed": {"shard_size": SHARD, "batch_size": SHARD // 2},
                "publish_anyway": True,
            }
        )


def make_tiny_night(folder: Path) -> TinyNight:
    """Draw the shop of both days and make the model below ``folder``."""
    import open_clip
    import torch

    from tasks.clip.folder import save_model

    for day in (0, 1):
        _write_shop(folder / f"day-{day}", day)
    torch.manual_seed(0)
    config = {"model_cfg": _MODEL, "preprocess_cfg": {"size": _MODEL["vision_cfg"]["image_size"]}}
    save_model(open_clip.CLIP(**_MODEL), config, folder / "model")
    return TinyNight(folder)


def check_live(store: Store, channel: str = "production") -> LivePointer | None:
    """Prove that what is live is whole, and return its pointer (None: nothing is live). Raises BadRelease.

    Every file of every part is read and hashed against its manifest, every image against its name, and the index
    is asked for every item: row i must be item i.
    """
    try:
        live = read_live(store, channel)
        if live is None:
            return None
        release = read_release(store, live.pointer.release)
        _check_files(store, release)
        _check_rows(store, release)
        return live.pointer
    except ProductSearchError as error:
        raise BadRelease(f"{type(error).__name__}: {error}") from error


def _check_files(store: Store, release: Release) -> None:
    parts = (release.catalog, release.model, release.index, release.classifier, release.removals)
    for ref in [part for part in (*parts, *release.evaluations.values()) if part is not None]:
        for entry in load_manifest(store, ref).files:
            data = store.read_bytes(f"{ref.folder}/{entry.path}")
            if (len(data), hashlib.sha256(data).hexdigest()) != (entry.size, entry.sha256):
                raise BadRelease(f"{ref}/{entry.path} has {len(data)} bytes that are not those of its manifest")


def _check_rows(store: Store, release: Release) -> None:
    from tasks.retrieval.search import Searcher

    hashes = fetch_table(store, release.index, "items.parquet")["image_sha256"].to_pylist()
    params = load_manifest(store, release.index).summary["search_params"]
    searcher = Searcher.open(fetch(store, release.index) / "index.faiss", params)
    if not searcher.ntotal == len(hashes) == release.items:
        raise BadRelease(f"{searcher.ntotal} vectors, {len(hashes)} items, and the release says {release.items}")
    _, found = searcher.search(load_vectors(store, release.model.id, hashes), top_k=1)
    wrong = [row for row, hit in enumerate(found[:, 0].tolist()) if hit < 0 or hashes[hit] != hashes[row]]
    if wrong:
        raise BadRelease(f"{len(wrong)} items do not find themselves, the first is row {wrong[0]}")
    for sha256 in set(hashes):
        read_image(store, sha256)  # raises where its bytes are not those of its name


def _write_shop(folder: Path, day: int) -> None:
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(GONE * day, ITEMS + NEW * day):
        kind = _TYPES[number % len(_TYPES)]
        version = day if number < GONE + CHANGED else 0
        (folder / "images" / f"{number}.jpg").write_bytes(_draw(f"{number}-{version}"))
        rows.append(
            [f"item-{number}", str(number), f"Acme {kind} {number}", f"Home/{kind}s", kind, f"images/{number}.jpg"]
        )
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item_id", "group_id", "title", "category", "product_type", "image_path"])
        writer.writerows(rows)


def _draw(seed: str) -> bytes:
    chance = random.Random(seed)
    image = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = chance.randrange(70), chance.randrange(70)
        color = tuple(chance.randrange(256) for _ in range(3))
        pen.rectangle((left, top, left + chance.randrange(10, 50), top + chance.randrange(10, 50)), fill=color)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
