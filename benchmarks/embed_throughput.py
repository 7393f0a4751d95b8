"""Embedding beside clip-retrieval's ``inference``, beside the bare bf16 forward pass and beside the bare decoder.

python -m benchmarks.embed_throughput                        # five minutes, and the peer's installation once
python -m benchmarks.embed_throughput --as-shot              # images as large as the shop's own
python -m benchmarks.embed_throughput --peer none --tiny --pictures 24 --rounds 1

One machine, the same JPEGs, made from images of 500 to 1500 pixels as the store holds them (``--as-shot``: left as
they are, which gives the decoder more to do), the same ViT-B-32 of random weights, the same threads and batch, taken
in turns round by round; ratios are medians of those of each round. Both start with the model loaded and end with the
vectors in a file: what the peer spends on imports is left out. Where the device has no bf16, all compute in fp32.
``--device cuda`` measures a GPU: there cores decode beside it, and the slower of decoder and forward pass is the limit.
``--trained`` names a store with a live release, such as `make demo` leaves in var/store: there R@1 of bf16 vectors is
measured beside R@1 of fp32 ones. Exits with 1 where a bar is missed.
"""

import argparse
import hashlib
import io
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import convert_weights_to_lp
from PIL import Image

from benchmarks.harness.made_up_shop import CHANNEL, MadeUpShop
from benchmarks.harness.synthetic import photograph
from benchmarks.harness.verdict import verdict
from benchmarks.peers import clip_retrieval as peer
from tasks.catalog.images import ImageLimits, normalise
from tasks.clip.config import EmbedConfig
from tasks.clip.device import native_bf16
from tasks.clip.encoder import THREADS, Encoder
from tasks.clip.folder import WEIGHTS_FILE, load_model
from tasks.clip.images import PixelReader, batches
from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.metrics import evaluate
from tasks.schema.manifest import ArtifactRef
from tasks.stages.embedding import image_source, make_shard, missing_images, shard_size
from tasks.stages.evaluation import split_items
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.cache import fetch
from tasks.store.artifacts.images import FOLDER, image_path, read_images, write_image
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

ARCHITECTURE = "ViT-B-32"
_FASTER, _OF_LIMIT, _DISTANCE, _REPEAT = 1.8, 0.9, 1e-2, 0.05
_DRAWN = 512  # further images are these again, and have another hash: drawing takes longer than a GPU's work
_COMPARED = 64  # images whose vectors are computed in fp32 too


@dataclass
class Work:
    """What is embedded: the images ``wanted`` of ``store``, with ``model``, as ``config`` says."""

    store: Store
    model: ArtifactRef
    folder: Path
    wanted: set[str]
    config: EmbedConfig
    device: str = "cpu"

    @cached_property
    def encoder(self) -> Encoder:
        """The product's encoder."""
        return Encoder.load(self.folder, device=self.device, precision=self.config.precision)

    @property
    def batch(self) -> int:
        """Images in one forward pass of everyone."""
        return self.config.batch_size or self.encoder.batch_size

    def embed(self) -> int:
        """The product: embed what has no vector yet, in shards; returns how many images that were."""
        missing = missing_images(self.store, self.model.id, self.wanted)
        size = shard_size(self.config)
        for row in range(0, len(missing), size):
            part = missing[row : row + size]
            make_shard(self.store, self.model.id, f"part-{row:05d}", part, self.encoder, self.config)
        return len(missing)

    def decode(self) -> None:
        """The bare decoder: read, decode and resize, and nothing else."""
        pool = self.encoder.decode_pool(image_source(self.store), self.batch, self.config.decode_threads)
        if pool is not None:
            pool.wait()
            deque(pool.decoded(batches(sorted(self.wanted), self.batch)), maxlen=0)
            return
        reader = PixelReader({}, self.encoder.image_size)
        with ThreadPoolExecutor(self.config.decode_threads or THREADS) as threads:
            for _ in threads.map(reader.pixels, read_images(self.store, sorted(self.wanted))):
                pass


class BareForward:
    """OpenCLIP's own model on normalised tensors that are in memory already: bf16 as well as a few lines can do it."""

    def __init__(self, work: Work) -> None:
        self._device, size = torch.device(work.device), work.encoder.image_size
        model, _ = load_model(work.folder)
        if native_bf16(self._device):
            convert_weights_to_lp(model, torch.bfloat16)
        self._model = model.to(self._device)
        self._batch = torch.randn(min(work.batch, len(work.wanted)), 3, size, size, device=self._device)
        self._times = -(-len(work.wanted) // len(self._batch))

    @property
    def images(self) -> int:
        """Images in one run."""
        return self._times * len(self._batch)

    @torch.inference_mode()
    def run(self) -> None:
        """As many batches as the work has."""
        for _ in range(self._times):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=native_bf16(self._device)):
                self._model.encode_image(self._batch)
        if self._device.type == "cuda":
            torch.cuda.synchronize()


@dataclass
class Figures:
    """Images per second by who computed, one for each round, and what else was found."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    device: str = "cpu"
    repeated: int = -1
    repeat_share: float = 1.0
    distance: float = 2.0
    recall: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def add(self, name: str, rate: float) -> None:
        """One more round of ``name``."""
        self.rates.setdefault(name, []).append(rate)
        print(f"  {name}: {rate:.1f} images/s", flush=True)

    def ratio(self, above: str, below: str) -> float:
        """Median over the rounds of one rate over another."""
        return float(np.median(np.divide(self.rates[above], self.rates[below])))

    @property
    def limit(self) -> str:
        """Whose rate the product cannot pass: on a GPU the cores that decode may be the slower of the two."""
        if self.device == "cpu":
            return "bare forward"
        return min("bare forward", "bare decoder", key=lambda name: float(np.median(self.rates[name])))


def build(root: Path, images: int, tiny: bool, config: EmbedConfig, as_shot: bool = False, device: str = "cpu") -> Work:
    """A store of made-up photographs, made smaller as `prepare_catalog` does unless ``as_shot``; random weights."""
    shop = MadeUpShop(root, 0) if tiny else MadeUpShop(root, 0, open_clip.get_model_config(ARCHITECTURE))
    for sha256 in shop.images:  # the shop's own: the peer is given the whole folder
        shop.store.delete(image_path(sha256))
    wanted = set()
    with ThreadPoolExecutor() as pool:
        drawn = list(pool.map(partial(_image, as_shot), range(min(images, _DRAWN))))
    for number in range(images):
        data = drawn[number % _DRAWN] + bytes(number // _DRAWN)  # what follows a JPEG's end is not read
        sha256 = hashlib.sha256(data).hexdigest()
        write_image(shop.store, sha256, data)
        wanted.add(sha256)
    model = shop.model("m", 1)
    return Work(shop.store, model, fetch(shop.store, model), wanted, config, device)


def _image(as_shot: bool, number: int) -> bytes:
    return photograph(number) if as_shot else normalise(photograph(number), ImageLimits()).jpeg


def measure(work: Work, rounds: int, infer: Callable[[], float] | None) -> Figures:
    """Everyone in turn, ``rounds`` times. infer: seconds that the peer takes, None without it."""
    figures, forward, first = Figures(device=work.device), BareForward(work), 0.0
    forward.run()  # the first passes are slower
    work.decode()  # starts the processes that decode, if any do
    work.encoder.encode_images(read_images(work.store, sorted(work.wanted)[: work.batch]))
    for _ in range(rounds):
        embeddings.delete_embeddings(work.store, work.model.id)
        forward_rate = forward.images / _seconds(forward.run)
        first = _seconds(work.embed)
        figures.add("the product", len(work.wanted) / first)
        # before and after: a machine that slows down in between slows both
        figures.add("bare forward", (forward_rate + forward.images / _seconds(forward.run)) / 2)
        figures.add("bare decoder", len(work.wanted) / _seconds(work.decode))
        if infer:
            figures.add("clip-retrieval", len(work.wanted) / infer())
    began = time.perf_counter()
    figures.repeated = work.embed()
    figures.repeat_share = (time.perf_counter() - began) / first
    figures.distance = distance(work)
    return figures


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def distance(work: Work) -> float:
    """Largest cosine distance of a stored vector from that of OpenCLIP's own pipeline, in fp32 and undrafted."""
    some = sorted(work.wanted)[:_COMPARED]
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{work.folder}")
    with torch.inference_mode():
        opened = [preprocess(Image.open(io.BytesIO(data))) for data in read_images(work.store, some)]
        exact = model.eval().encode_image(torch.stack(opened), normalize=True).numpy()
    return float((1 - (embeddings.load_vectors(work.store, work.model.id, some) * exact).sum(axis=1)).max())


def recall(folder: Path, cache: Path, device: str = "cpu") -> dict[str, tuple[float, float, float]]:
    """R@1 of titles on the test split of the live release's model, with its interval, by precision of the images."""
    store = open_store(StoreSettings(store_uri=folder.resolve().as_uri(), store_cache=cache))
    state = read_live(store, CHANNEL)
    if state is None:
        raise SystemExit(f"{folder} has no live release: give a store that `make demo` or `make pipeline` left")
    release = read_release(store, state.pointer.release)
    items, model = split_items(store, release.catalog, "test"), fetch(store, release.model)
    titles, groups = ([item[name] for item in items] for name in ("title", "group_id"))
    images = list(read_images(store, [item["image_sha256"] for item in items]))
    texts, found = Encoder.load(model, device).encode_texts(titles), {}
    for precision in ("fp32", "bf16"):
        vectors = Encoder.load(model, device, precision).encode_images(images)
        metrics = evaluate(texts, vectors, titles, groups, EvaluationConfig()).metrics
        cell = metrics["text_to_image"]["single_positive"]["recall@1"]
        found[precision] = (cell["value"], cell["low"], cell["high"])
    return found


def report(figures: Figures, judge_time: bool = True) -> bool:
    """Print the figures and the verdict, and return it. ``judge_time`` False: bars of time are not held."""
    print(f"\n{'':16} images/s (median; least to most)   the product is")
    for name, rates in figures.rates.items():
        spread = f"{np.median(rates):8.1f} ({min(rates):.1f} to {max(rates):.1f})"
        print(f"{name:16} {spread:36} {figures.ratio('the product', name):.2f} times it")
    print(f"a second run embedded {figures.repeated} images in {figures.repeat_share:.2%} of the first one's time")
    print(f"largest cosine distance from fp32 of the whole image: {figures.distance:.1e}")
    bars = {
        "a second run embeds nothing": figures.repeated == 0,
        f"vectors within {_DISTANCE:g} of fp32": figures.distance <= _DISTANCE,
    }
    for precision, (value, low, high) in figures.recall.items():
        print(f"R@1 of the trained model, {precision}: {value:.4f} ({low:.4f} to {high:.4f})")
    if figures.recall:
        (_, low, high), rough = figures.recall["fp32"], figures.recall["bf16"]
        bars["R@1 in bf16 within the interval of fp32"] = low <= rough[0] <= high
    if judge_time:
        bars |= _timed(figures)
    return verdict(bars)


def _timed(figures: Figures) -> dict[str, bool]:
    bars = {
        f"a second run in {_REPEAT:.0%} of the time": figures.repeat_share <= _REPEAT,
        f"{_OF_LIMIT:.0%} of the {figures.limit}": figures.ratio("the product", figures.limit) >= _OF_LIMIT,
    }
    if "clip-retrieval" in figures.rates:
        bars[f"{_FASTER:g} times clip-retrieval"] = figures.ratio("the product", "clip-retrieval") >= _FASTER
    return bars


def _peer(installed: Path, folder: Path, work: Work) -> Callable[[], float]:
    peer.install(installed)
    images = Path(work.store.url(FOLDER).removeprefix("file://"))
    model = f"open_clip:{ARCHITECTURE}/{work.folder / WEIGHTS_FILE}"
    threads = torch.get_num_threads()
    return lambda: peer.infer(installed, folder, images, model, len(work.wanted), work.batch, threads)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--pictures", type=int, default=512)
    made.add_argument("--as-shot", action="store_true", help="images of 500 to 1500 pixels, larger than stored ones")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--batch", type=int, default=64)
    made.add_argument("--decode-threads", type=int)
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    made.add_argument("--peer", default="var/peers/clip-retrieval", help="its environment, made if missing; or none")
    made.add_argument("--trained", type=Path, help="folder of a store with a live release; R@1 is measured there")
    made.add_argument("--tiny", action="store_true", help="a tiny model; bars of time are not held")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = parser().parse_args(arguments)
    config = EmbedConfig(batch_size=chosen.batch, decode_threads=chosen.decode_threads)
    with tempfile.TemporaryDirectory(prefix="embed-throughput-") as scratch:
        root = Path(scratch)
        work = build(root, chosen.pictures, chosen.tiny, config, chosen.as_shot, chosen.device)
        infer = None if chosen.peer == "none" else _peer(Path(chosen.peer), root / "theirs", work)
        figures = measure(work, chosen.rounds, infer)
        if chosen.trained:
            figures.recall = recall(chosen.trained, root / "cache", chosen.device)
    return 0 if report(figures, judge_time=not chosen.tiny) else 1


if __name__ == "__main__":
    sys.exit(main())
