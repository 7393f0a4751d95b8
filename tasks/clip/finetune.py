"""Contrastive fine-tuning of both towers; a resumed run gives the same result as an uninterrupted one."""

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch

from tasks.clip.augment import PixelCache, augment
from tasks.clip.checkpoint import read_checkpoint, write_checkpoint
from tasks.clip.class_token import compute_class_token_only
from tasks.clip.config import FinetuneConfig
from tasks.clip.data import CaptionTable, TrainingData, batch_items, titles
from tasks.clip.device import choose_device, choose_precision, prefers_channels_last
from tasks.clip.encoder import load_tokenizer
from tasks.clip.folder import count_parameters, input_size, load_model, save_model
from tasks.clip.gradient import Batch, backward
from tasks.clip.images import PixelReader, prefetch
from tasks.clip.losses import positive_pairs
from tasks.clip.recall import measure_recall
from tasks.clip.schedule import evenly_spaced, learning_rate, make_optimizer, plan_steps, set_rate
from tasks.clip.training_log import TrainingLog
from tasks.clip.vocabulary import TrimmedVocabulary
from tasks.schema.errors import ConfigError
from tasks.schema.progress import Progress, silent

Save = Callable[[Path, int], None]
SCORE = "text_to_image_recall@1"


def finetune(
    base: Path,
    train: TrainingData,
    val: TrainingData,
    config: FinetuneConfig,
    out: Path,
    *,
    resume: Path | None = None,
    save: Save | None = None,
    progress: Progress = silent,
    device: str = "auto",
) -> TrainingLog:
    """Train the model in ``base`` and write the best weights by val text-to-image R@1 into ``out`` (local-dir layout).

    ``save(folder, step)`` gets a checkpoint folder every ``save_every_steps``; it is removed when ``save`` returns.
    ``resume`` is such a folder: the run continues exactly as if it had not stopped. With fewer than 2 val items nothing
    is measured and the last weights are used. Raises ConfigError (settings contradict data or checkpoint, or the loss
    diverged), ModelUnavailable, CatalogError (an image cannot be read), ArtifactCorrupt (an incomplete checkpoint).
    """
    with torch.random.fork_rng():
        run = _Run(base, train, val, config, device, progress)
        try:
            if resume is not None:
                run.restore(resume)
            run.train(save)
        finally:
            run.close()
    run.write(out)
    return run.log


class _Run:
    """One training run: everything derived from its inputs, and the step it has reached."""

    def __init__(
        self,
        base: Path,
        train: TrainingData,
        val: TrainingData,
        config: FinetuneConfig,
        device: str,
        progress: Progress,
    ) -> None:
        self.device, self.progress = choose_device(device), progress
        model, self.folder_config = load_model(base, config.image_size)
        compute_class_token_only(model)
        self.recipe = config.resolve(count_parameters(model))
        self.batch_size, self.steps = plan_steps(self.recipe, len(train))
        self.precision = choose_precision(self.recipe.precision, self.device)
        self._read_captions(base, model, train, val)
        self.layout = torch.channels_last if prefers_channels_last(model) else torch.contiguous_format
        self.model = model.to(self.device).to(memory_format=self.layout).train()
        self.optimizer = make_optimizer(self.model, self.recipe)
        self._read_images(train, val)
        self.log = TrainingLog(
            recipe=self.recipe.model_dump(mode="json"), device=str(self.device), precision=self.precision,
            items=len(train), batch_size=self.batch_size, steps_planned=self.steps,
        )  # fmt: skip
        self.best: dict[str, torch.Tensor] | None = None
        self.fingerprint = self._fingerprint(base, train, val)
        self.evaluate_at = evenly_spaced(self.steps, self.recipe.evaluations)
        self.report_at = evenly_spaced(self.steps, 100)

    def _read_captions(self, base: Path, model: open_clip.CLIP, train: TrainingData, val: TrainingData) -> None:
        tokenize = load_tokenizer(base)
        self.captions = CaptionTable(train.captions, self.recipe.captions)
        tokens = tokenize(self.captions.texts)  # once: BPE costs seconds
        val_tokens = tokenize(titles(val.captions)) if len(val) else tokens[:0]
        self.vocabulary = TrimmedVocabulary(model, torch.cat([tokens, val_tokens]))
        self.tokens, self.val_tokens = self.vocabulary.renumber(tokens), self.vocabulary.renumber(val_tokens)
        names = {name: row for row, name in enumerate(dict.fromkeys(train.groups))}
        self.groups = np.array([names[name] for name in train.groups])

    def _read_images(self, train: TrainingData, val: TrainingData) -> None:
        preprocess, memory = self.folder_config.get("preprocess_cfg", {}), self.recipe.picture_memory_mb * 2**20
        self.reader = PixelReader(preprocess, input_size(self.model))
        self.cache = PixelCache(train.images, self.reader, self.recipe.threads, memory, self.progress)
        self.val_cache = PixelCache(val.images, self.reader, self.recipe.threads, memory)

    def _fingerprint(self, base: Path, train: TrainingData, val: TrainingData) -> dict[str, Any]:
        words = json.dumps([train.captions, train.groups, val.captions], sort_keys=True, ensure_ascii=False)
        return {
            "recipe": self.recipe.model_dump(mode="json", exclude={"threads", "picture_memory_mb", "save_every_steps"}),
            "data": hashlib.sha256(words.encode()).hexdigest()[:16],
            "base": self.folder_config.get("card", {}).get("weights_sha256") or base.name,
            "steps": self.steps,
        }

    def restore(self, folder: Path) -> None:
        """Continue from the checkpoint in ``folder``."""
        read = read_checkpoint(folder, fingerprint=self.fingerprint, model=self.model, optimizer=self.optimizer)
        self.best, self.log = read.best, TrainingLog(**read.log)
        self.log.resumed_at.append(read.step)

    def train(self, save: Save | None) -> None:
        """Train from the current step to the last, or until patience runs out."""
        started, cpu, first = time.monotonic(), time.process_time(), self.log.steps
        spent = self.log.seconds, self.log.cpu_seconds
        for step, batch in self._batches(first):
            if self.log.stopped_early:
                break
            self._step(step, batch)
            done = self.log.steps = step + 1
            self.log.seconds = spent[0] + time.monotonic() - started
            self.log.cpu_seconds = spent[1] + time.process_time() - cpu
            self.log.pictures_per_second = (done - first) * self.batch_size / (time.monotonic() - started)
            if done in self.evaluate_at:
                self._evaluate(done)
            if done in self.report_at:
                self._report(done)
            if save is not None and done % self.recipe.save_every_steps == 0 and done < self.steps:
                self._save(save, done)

    def _batches(self, first: int) -> Iterator[tuple[int, Batch]]:
        with ThreadPoolExecutor(1, thread_name_prefix="batch") as pool:
            steps = range(first, self.steps)
            yield from zip(steps, prefetch(self._batch, steps, pool, depth=2), strict=False)

    def _batch(self, step: int) -> Batch:
        """Batch ``step``, a pure function of seed and step, so that a resumed run sees the same batches."""
        items = batch_items(len(self.groups), self.batch_size, step, self.recipe.seed)
        random = np.random.default_rng((self.recipe.seed, 2, step))
        chosen = self.captions.choose(items, random)
        images = augment(self.cache.pixels(items), self.recipe, random, self.device)
        positives = positive_pairs(
            self.recipe.positives,
            *(torch.from_numpy(ids).to(self.device) for ids in (chosen, self.captions.ids[items], self.groups[items])),
        )
        images = self.reader.normalise(images).contiguous(memory_format=self.layout)
        return Batch(images, self.tokens[torch.from_numpy(chosen)].to(self.device, non_blocking=True), positives)

    def _step(self, step: int, batch: Batch) -> None:
        recipe = self.recipe
        set_rate(self.optimizer, learning_rate(step, self.steps, recipe))
        self.optimizer.zero_grad(set_to_none=True)
        loss = backward(
            self.model, batch, accumulate=min(recipe.accumulate, self.batch_size), smoothing=recipe.label_smoothing,
            precision=self.precision, seed=recipe.seed + 1_000_003 * step,
        )  # fmt: skip
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.gradient_clip)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(recipe.logit_scale_max))
        if step + 1 in self.report_at:
            self._record(step, loss, norm, batch)

    def _record(self, step: int, loss: torch.Tensor, norm: torch.Tensor, batch: Batch) -> None:
        point = {
            "step": step + 1,
            "loss": float(loss),
            "learning_rate": learning_rate(step, self.steps, self.recipe),
            "logit_scale": float(self.model.logit_scale.detach().exp()),
            "gradient_norm": float(norm),
            "positives": float(batch.positives.sum(1).float().mean()),
        }
        if not math.isfinite(point["loss"]) or not math.isfinite(point["gradient_norm"]):
            raise ConfigError(
                f"the loss became {point['loss']} at step {step + 1} (gradient norm {point['gradient_norm']}): lower "
                f"learning_rate (now {self.recipe.learning_rate}) or use precision fp32"
            )
        self.log.points.append(point)

    def _evaluate(self, step: int) -> None:
        if len(self.val_tokens) < 2:
            return
        figures = measure_recall(self.model, self.val_cache, self.reader, self.val_tokens, self.precision)
        self.log.evaluations.append({"step": step, **figures})
        if self.log.best_recall is None or figures[SCORE] > self.log.best_recall:
            self.log.best_recall, self.log.best_step = figures[SCORE], step
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        since = sum(entry["step"] > self.log.best_step for entry in self.log.evaluations)
        self.log.stopped_early = 0 < self.recipe.patience <= since and step < self.steps

    def _report(self, step: int) -> None:
        recall = f", val R@1 {self.log.evaluations[-1][SCORE]:.3f}" if self.log.evaluations else ""
        left = self.log.seconds / step * (self.steps - step)
        loss = self.log.points[-1]["loss"]
        rate = self.log.pictures_per_second
        self.progress(
            step / self.steps,
            f"step {step} of {self.steps}, loss {loss:.3f}{recall}, {rate:.0f} images/s, {left:.0f} s left",
        )

    def _save(self, save: Save, step: int) -> None:
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            write_checkpoint(
                Path(folder), step=step, fingerprint=self.fingerprint, model=self.model, optimizer=self.optimizer,
                best=self.best, log=self.log.model_dump(),
            )  # fmt: skip
            save(Path(folder), step)

    def close(self) -> None:
        """End the decoding threads."""
        self.cache.close()
        self.val_cache.close()

    def write(self, out: Path) -> None:
        """Write the best weights, or the last ones where nothing was measured."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        else:
            self.log.best_step = self.log.steps
        self.vocabulary.restore()
        card = {**self.folder_config.get("card", {}), "random_weights": False, "finetuned_steps": self.log.best_step}
        save_model(self.model, {**self.folder_config, "card": card}, out)
