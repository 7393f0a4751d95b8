"""Fine-tuning beside open_clip_train: images a second, R@1 after the same time, and the memory of a large batch.

python -m benchmarks.train_throughput            # minutes on two cores, and the peer's installation once
python -m benchmarks.train_throughput --peer none --tiny

One machine, the same JPEG files, titles, weights to start from, batch, optimiser settings and threads, in turns round
by round; ratios are medians of those of each round. Two models of random weights: the demo's small one, and ViT-B-32
for a few steps; both learn the sample shop's titles. The peer computes in the fastest precision that works for it
here; what either spends on imports and on loading the model is left out, and the first step. For R@1 both train as
long: the product is given as many steps as take it, at the rate measured before, the time that the peer took. Each
augments and smooths as it does by default: the product shifts, mirrors and relights images and smooths labels, the
peer crops at random. ViT-B-32 is cropped by both.
Exits with 1 where a bar is missed.
"""

import argparse
import csv
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file

from benchmarks.harness.memory import status_mb
from benchmarks.harness.synthetic import draw, listing
from benchmarks.harness.verdict import verdict
from benchmarks.peers import open_clip_train as peer
from infra.sample_shop.export import build_shop
from tasks.catalog.config import CatalogConfig
from tasks.catalog.prepare import prepare_catalog
from tasks.clip.config import FinetuneConfig
from tasks.clip.data import TrainingData
from tasks.clip.encoder import Encoder
from tasks.clip.finetune import finetune
from tasks.clip.folder import load_model, read_config, save_model
from tasks.clip.pretrained import materialise
from tasks.retrieval.config import EvaluationConfig
from tasks.retrieval.metrics import evaluate
from tasks.sources.shop import open_source

ARCHITECTURE = "ViT-B-32"
_FASTER = 1.5
_ADDED = 1 / 3  # the images of the whole batch, and of the next, lie in memory either way
_NOBODY = TrainingData([], [], [])
Peer = Callable[..., peer.PeerRun]


@dataclass
class Work:
    """One model and what it learns: ``data`` for the product, the same as ``table`` for the peer."""

    name: str
    model: Path
    data: TrainingData
    table: Path
    config: FinetuneConfig
    device: str = "cpu"

    @property
    def batch(self) -> int:
        """Pairs in a batch."""
        assert self.config.batch_size
        return min(self.config.batch_size, len(self.data))

    def options(self, epochs: int, precision: str) -> dict[str, str | float]:
        """The peer's flags for the same training."""
        recipe = self.config.resolve(0 if self.config.recipe == "small" else 10**9)
        steps = epochs * (len(self.data) // self.batch)
        return {
            "device": self.device, "batch-size": self.batch, "epochs": epochs, "lr": recipe.learning_rate, "beta1": 0.9,
            "beta2": recipe.beta2, "eps": 1e-6, "wd": recipe.weight_decay, "precision": precision,
            "warmup": max(1, round(recipe.warmup_share * steps)), "grad-clip-norm": recipe.gradient_clip,
        }  # fmt: skip


@dataclass
class Figures:
    """``rates``: images/s by model and by who trained, one for each round. ``recall``: by who, with its interval."""

    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    recall: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)

    def add(self, model: str, who: str, rate: float) -> None:
        """One more round."""
        self.rates.setdefault(model, {}).setdefault(who, []).append(rate)
        print(f"  {model}, {who}: {rate:.2f} images/s", flush=True)

    def ratio(self, model: str) -> float:
        """Median over the rounds of the product's rate over the peer's."""
        rates = self.rates[model]
        return float(np.median(np.divide(rates["the product"], rates["open_clip_train"])))


def sample_data(shop: Path, items: int) -> tuple[TrainingData, TrainingData]:
    """The sample shop's products with their titles: to train on, and a fifth to measure with."""
    build_shop(shop, items)
    config = CatalogConfig(source=str(shop), train_share=0.8, val_share=0.2, test_share=0)
    images: dict[str, bytes] = {}
    rows = prepare_catalog(config, open_source(config.root), write_image=images.__setitem__).items.to_pylist()

    def split(name: str) -> TrainingData:
        chosen = [row for row in rows if row["split"] == name]
        return TrainingData(
            captions=[{"title": row["title"]} for row in chosen],
            images=[images[row["image_sha256"]] for row in chosen],
            groups=[row["group_id"] for row in chosen],
        )

    return split("train"), split("val")


def drawn_data(images: int) -> TrainingData:
    """Images of no meaning, made in no time."""
    captions = [{"title": listing(number)["title"]} for number in range(images)]
    return TrainingData(captions, [draw(number) for number in range(images)], [str(n) for n in range(images)])


def prepare(folder: Path, data: TrainingData, config: FinetuneConfig, device: str = "cpu") -> Work:
    """Lay out in ``folder`` the model that ``config`` is for, its weights random, and what it is to learn."""
    name = "small" if config.recipe == "small" else ARCHITECTURE
    if config.recipe == "small":
        materialise("small", folder / name)
    else:
        torch.manual_seed(0)
        architecture = open_clip.get_model_config(ARCHITECTURE)
        save_model(open_clip.CLIP(**architecture), {"model_cfg": architecture, "preprocess_cfg": {}}, folder / name)
    return Work(name, folder / name, data, write_table(folder / f"{name}-data", data), config, device)


def write_table(folder: Path, data: TrainingData) -> Path:
    """The images as files in ``folder``, and the table of them that the peer reads."""
    folder.mkdir()
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerow(["filepath", "title"])
        for number, (image, caption) in enumerate(zip(data.images, data.captions, strict=True)):
            (folder / f"{number}.jpg").write_bytes(image)
            rows.writerow([folder / f"{number}.jpg", caption["title"]])
    return folder / "train.csv"


def train(work: Work, steps: int, out: Path, **changes: Any) -> tuple[float, float]:
    """The product: images/s without the first step, and seconds of all of them. The last weights are in ``out``."""
    config = work.config.model_copy(update={"steps": steps, "evaluations": 1, "patience": 0, **changes})
    ends: list[tuple[int, float]] = []

    def note(_: float, line: str) -> None:
        if line.startswith("step "):
            ends.append((int(line.split()[1]), time.perf_counter()))

    log = finetune(work.model, work.data, _NOBODY, config, out, progress=note, device=work.device)
    (first, began), (last, ended) = ends[0], ends[-1]
    return (last - first) * log.batch_size / (ended - began), log.seconds


def measure_rates(work: Work, epochs: int, rounds: int, theirs: Peer | None, precision: str, figures: Figures) -> None:
    """Both in turn, ``rounds`` times."""
    steps = epochs * (len(work.data) // work.batch)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            figures.add(work.name, "the product", train(work, steps, Path(out))[0])
        if theirs:
            run = theirs(work.model, work.table, work.options(epochs, precision))
            figures.add(work.name, "open_clip_train", run.rate)


def best_precision(work: Work, theirs: Peer, candidates: list[str]) -> str:
    """The precision in which the peer is fastest on this device, of those in which it runs at all."""
    if len(candidates) == 1:
        return candidates[0]
    rates = {}
    for precision in candidates:
        try:
            rates[precision] = theirs(work.model, work.table, work.options(1, precision)).rate
            print(f"  {work.name}, open_clip_train in {precision}: {rates[precision]:.1f} images/s", flush=True)
        except RuntimeError as error:
            print(f"  open_clip_train in {precision}: {str(error).splitlines()[-1]}", flush=True)
    return max(rates, key=lambda precision: rates[precision])


def measure_recall(
    work: Work, val: TrainingData, epochs: int, theirs: Peer, precision: str, figures: Figures, root: Path
) -> None:
    """R@1 of both on the val split after the time that the peer takes for ``epochs``."""
    run = theirs(work.model, work.table, work.options(epochs, precision))
    model, _ = load_model(work.model)
    model.load_state_dict(load_file(run.weights))
    save_model(model, read_config(work.model), root / "their-model")
    steps = round(run.seconds * float(np.median(figures.rates[work.name]["the product"])) / work.batch)
    seconds = train(work, steps, root / "our-model")[1]
    figures.seconds = {"open_clip_train": run.seconds, "the product": seconds}
    for who, folder in (("open_clip_train", "their-model"), ("the product", "our-model")):
        figures.recall[who] = recall_at_1(root / folder, val)
        print(f"  {who}: R@1 {figures.recall[who][0]:.3f} after {figures.seconds[who]:.0f} s", flush=True)
    print(f"  {epochs * (len(work.data) // work.batch)} of its steps, {steps} of the product's", flush=True)


def recall_at_1(folder: Path, val: TrainingData) -> tuple[float, float, float]:
    """R@1 of titles, with its interval, as the product evaluates a model."""
    encoder, titles = Encoder.load(folder, device="cpu"), [kinds["title"] for kinds in val.captions]
    texts, images = encoder.encode_texts(titles), encoder.encode_images(val.images)
    cell = evaluate(texts, images, titles, val.groups, EvaluationConfig()).metrics["text_to_image"]["single_positive"]
    return cell["recall@1"]["value"], cell["recall@1"]["low"], cell["recall@1"]["high"]


def measure_memory(work: Work, pieces: int, theirs: Peer | None, figures: Figures) -> None:
    """Peak memory of a process that trains with one piece of a batch alone, with the pieces, and with the whole."""
    piece = work.batch // pieces
    ways = {
        f"a batch of {piece}": (piece, 1),
        f"{work.batch} in {pieces} pieces": (work.batch, pieces),
        f"{work.batch} whole": (work.batch, 1),
    }
    with multiprocessing.get_context("spawn").Pool(1) as process:
        figures.peaks = dict(zip(ways, process.apply(_peaks, (work, list(ways.values()))), strict=True))
    if theirs and work.device == "cpu":  # of a GPU it does not tell
        # of a single step it cannot warm up: it divides by the steps that are left
        options = work.options(1, "fp32") | {"batch-size": piece, "accum-freq": pieces, "warmup": 0}
        figures.peaks["open_clip_train, in pieces"] = theirs(work.model, work.table, options).peak_mb
    for name, peak in figures.peaks.items():
        print(f"  {name}: {peak:.0f} MB at most", flush=True)


def _peaks(work: Work, ways: list[tuple[int, int]]) -> list[float]:
    """One after another in this process, so from the least to the most."""
    peaks = []
    for batch, accumulate in ways:
        with tempfile.TemporaryDirectory() as out:
            train(work, 2, Path(out), batch_size=batch, accumulate=accumulate)
        peaks.append(status_mb("VmHWM") if work.device == "cpu" else torch.cuda.max_memory_allocated() / 2**20)
    return peaks


def report(figures: Figures, judge_time: bool = True) -> bool:
    """Print the figures and the verdict, and return it. ``judge_time`` False: bars of time and of R@1 are not held."""
    bars: dict[str, bool] = {}
    for model, rates in figures.rates.items():
        print()
        for who, each in rates.items():
            print(f"{model:9} {who:16} {np.median(each):8.2f} images/s ({min(each):.2f} to {max(each):.2f})")
        if "open_clip_train" in rates:
            ratio = figures.ratio(model)
            print(f"{model:9} the product is {ratio:.2f} times as fast")
            bars[f"{model}: {_FASTER:g} times open_clip_train"] = ratio >= _FASTER
    for who, (value, low, high) in figures.recall.items():
        print(f"R@1 after {figures.seconds[who]:.0f} s of training, {who}: {value:.3f} ({low:.3f} to {high:.3f})")
    if figures.recall:
        bars["R@1 after the same time not lower"] = (
            figures.recall["the product"][0] >= figures.recall["open_clip_train"][0]
        )
    held = bars if judge_time else {}
    if figures.peaks:
        for name, peak in figures.peaks.items():
            print(f"peak memory, {name}: {peak:.0f} MB")
        piece, cut, whole = list(figures.peaks.values())[:3]
        bar = f"in pieces a batch adds less to one of them than {_ADDED:.0%} of what the whole adds"
        held[bar] = piece < whole and cut - piece <= _ADDED * (whole - piece)
    return verdict(held)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, default=1500, help="products of the sample shop")
    made.add_argument("--shop", type=Path, help="folder of a sample shop of as many, to spare making it")
    made.add_argument("--batch", type=int, default=128, help="of the small model")
    made.add_argument("--vit-batch", type=int, default=16)
    made.add_argument("--vit-steps", type=int, default=4)
    made.add_argument("--vit-epochs", type=int, default=1, help="of as many steps; a GPU wants more than one")
    made.add_argument("--epochs", type=int, default=12, help="of the peer, before R@1 is measured")
    made.add_argument("--large-batch", type=int, default=1024, help="whose memory is measured")
    made.add_argument("--pieces", type=int, default=8, help="that it is cut into")
    made.add_argument("--rounds", type=int, default=2)
    made.add_argument("--peer", default="var/peers/open-clip-train", help="its environment, made if missing; or none")
    made.add_argument("--peer-precisions", nargs="+", default=["fp32", "amp_bf16"], help="the fastest of them is taken")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="on a GPU its own memory is measured")
    made.add_argument("--tiny", action="store_true", help="few images, and only how fast; nothing is judged")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = parser().parse_args(arguments)
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="train-throughput-") as scratch:
        root = Path(scratch)
        theirs = None if chosen.peer == "none" else _peer(Path(chosen.peer), root / "theirs")
        if chosen.tiny:
            few = prepare(root, drawn_data(48), FinetuneConfig.small(batch_size=16), chosen.device)
            measure_rates(few, 1, 1, theirs, "fp32", figures)
        else:
            _measure(chosen, root, theirs, figures)
    return 0 if report(figures, judge_time=not chosen.tiny) else 1


def _measure(chosen: argparse.Namespace, root: Path, theirs: Peer | None, figures: Figures) -> None:
    data, val = sample_data(chosen.shop or root / "shop", chosen.items)
    some = slice(chosen.vit_batch * chosen.vit_steps)
    few = TrainingData(data.captions[some], data.images[some], data.groups[some])
    vit = prepare(root, few, FinetuneConfig(recipe="vit-b-32", batch_size=chosen.vit_batch), chosen.device)
    small = prepare(root, data, FinetuneConfig.small(batch_size=chosen.batch), chosen.device)
    precision = best_precision(small, theirs, chosen.peer_precisions) if theirs else ""
    measure_rates(small, 2, chosen.rounds, theirs, precision, figures)
    if theirs:
        measure_recall(small, val, chosen.epochs, theirs, precision, figures, root)
    large = replace(small, config=FinetuneConfig.small(batch_size=chosen.large_batch))
    measure_memory(large, chosen.pieces, theirs, figures)
    precision = best_precision(vit, theirs, chosen.peer_precisions) if theirs else ""
    measure_rates(vit, chosen.vit_epochs, chosen.rounds, theirs, precision, figures)


def _peer(installed: Path, folder: Path) -> Peer:
    peer.install(installed)
    return lambda model, table, options: peer.train(installed, folder, model, table, options, torch.get_num_threads())


if __name__ == "__main__":
    sys.exit(main())
