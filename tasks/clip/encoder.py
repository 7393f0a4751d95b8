"""Encode texts and images to vectors of one space."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import convert_weights_to_lp

from tasks.clip.class_token import compute_class_token_only
from tasks.clip.decoding import DecodePool, ImageSource
from tasks.clip.device import Precision, autocast, choose_device, choose_precision, prefers_channels_last
from tasks.clip.folder import first_line, input_size, load_model
from tasks.clip.images import ImageLike, PixelReader, batches, decode, prefetch
from tasks.clip.texts import text_features
from tasks.schema.errors import CatalogError, ModelUnavailable

THREADS = 4  # for decoding; more threads of one process wait for each other
_MIN_IMAGES_FOR_PROCESSES = 4096  # while processes start, threads decode three times as many


class Encoder:
    """A loaded model: texts and images to L2-normalised float32 vectors. Safe to use from many threads."""

    def __init__(self, folder: Path, device: str = "auto", precision: Precision = "fp32") -> None:
        model, config = load_model(folder)
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.name: str = config.get("card", {}).get("name", folder.name)
        self.dim: int = config["model_cfg"]["embed_dim"]
        self.image_size: int = input_size(model)[0]
        self.logit_scale = float(model.logit_scale.detach().exp())
        self.batch_size = 512 if self.device.type == "cuda" else 64  # larger batches are no faster
        self._reader = PixelReader(config.get("preprocess_cfg", {}), input_size(model))
        self._tokenize = load_tokenizer(folder)
        self._layout = torch.channels_last if prefers_channels_last(model) else torch.contiguous_format
        if self.precision == "bf16":
            # autocast alone would convert every weight in every batch: on a CPU that costs as much as the forward pass
            convert_weights_to_lp(model, torch.bfloat16)
        compute_class_token_only(model)
        self._pool: DecodePool | None = None
        self._model = model.to(self.device).to(memory_format=self._layout).requires_grad_(False)
        if self.device.type == "cuda":
            # TF32 convolutions would change an image's vector by 1e-3, and differently for each batch size.
            torch.backends.cudnn.allow_tf32 = False

    @classmethod
    def load(cls, folder: Path, device: str = "auto", precision: Precision = "fp32") -> "Encoder":
        """Encoder from a local-dir folder. Raises ModelUnavailable."""
        return cls(Path(folder), device, precision)

    def encode_texts(self, texts: list[str], batch_size: int = 256) -> np.ndarray:
        """Vectors of ``texts`` in order, float32 (n, dim), L2-normalised. Texts are cut at the context length."""
        parts = [self._encode_tokens(self._tokenize(part)) for part in batches(texts, batch_size)]
        vectors = np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)
        _require_finite(vectors, texts)
        return vectors

    def encode_pixels(self, pixels: list[np.ndarray], batch_size: int | None = None) -> np.ndarray:
        """Vectors of the results of `pixels`, float32 (n, dim), L2-normalised. Raises CatalogError."""
        parts = [self._encode_halving(np.stack(part)) for part in batches(pixels, batch_size or self.batch_size)]
        vectors = np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)
        _require_finite(vectors, [str(row) for row in range(len(vectors))])
        return vectors

    def pixels(self, image: ImageLike) -> np.ndarray:
        """One image as the model's input, uint8 (height, width, 3): upright, resized, cropped. Raises CatalogError."""
        return self._decode(("", image))[1]

    def encode_images(self, images: Iterable[ImageLike], batch_size: int | None = None) -> np.ndarray:
        """Vectors of ``images`` (bytes or PIL) in order, float32 (n, dim), L2-normalised. Raises CatalogError."""
        named = ((str(row), image) for row, image in enumerate(images))
        parts = [vectors for _, vectors in self.embed(named, batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def embed(
        self, images: Iterable[tuple[str, ImageLike]], batch_size: int | None = None, threads: int | None = None
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield (names, vectors float32 (n, dim)) of each batch. Raises CatalogError naming the image."""
        batch_size, threads = batch_size or self.batch_size, threads or THREADS
        with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
            for batch in batches(self._decoded(images, pool, batch_size, threads), batch_size):
                names = [name for name, _ in batch]
                vectors = self._encode_halving(np.stack([pixels for _, pixels in batch]))
                _require_finite(vectors, names)
                yield names, vectors

    def embed_stored(
        self, names: Sequence[str], source: ImageSource, batch_size: int | None = None, workers: int | None = None
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        """As `embed`, for images that ``source`` reads by ``names``.

        Beside a GPU, ``workers`` processes decode (None: one for each core), and threads while those start; on a CPU
        threads decode. Raises what reading raises, CatalogError naming the image, and TransientError where a process
        ended.
        """
        pool = self.decode_pool(source, batch_size, workers) if len(names) >= _MIN_IMAGES_FOR_PROCESSES else None
        if pool is None:
            yield from self.embed(zip(names, source.read(names), strict=True), batch_size, workers)
            return
        rest = iter(names)
        while not pool.ready and (part := list(islice(rest, 2 * pool.batch_size))):
            yield from self.embed(zip(part, source.read(part), strict=True), batch_size)
        for batch, pixels in pool.decoded(batches(rest, pool.batch_size)):
            vectors = self._encode_halving(pixels)
            _require_finite(vectors, batch)
            yield batch, vectors

    def decode_pool(
        self, source: ImageSource, batch_size: int | None = None, workers: int | None = None
    ) -> DecodePool | None:
        """The pool that decodes for this encoder, started on demand; None where threads are fast enough."""
        workers = workers or torch.get_num_threads()
        if _threads_suffice(self.device, workers):
            return None
        wanted = (source.place, batch_size or self.batch_size, workers)
        if self._pool is not None and self._pool.failed:
            return None
        if self._pool is None or not self._pool.alive or self._pool.settings != wanted:
            if self._pool is not None:
                self._pool.close()
            self._pool = DecodePool(self._reader, source, wanted[1], workers)
        return self._pool

    def _decoded(
        self, images: Iterable[tuple[str, ImageLike]], pool: ThreadPoolExecutor, batch_size: int, threads: int
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Decoded images in order, with bounded memory."""
        if self.device.type == "cpu":
            # Decode and encode in turns: together they compete for cores, and the forward pass waits for the slowest.
            return chain.from_iterable(pool.map(self._decode, turn) for turn in batches(images, batch_size))
        return prefetch(self._decode, images, pool, depth=max(2 * batch_size, threads))

    def _decode(self, named: tuple[str, ImageLike]) -> tuple[str, np.ndarray]:
        name, image = named
        return name, decode(self._reader, name, image)

    def _encode_halving(self, pixels: np.ndarray) -> np.ndarray:
        """Encode all at once, or in halves where they exceed the device's memory."""
        try:
            return self._encode_pixels(pixels)
        except torch.cuda.OutOfMemoryError:
            if len(pixels) == 1:
                raise
        torch.cuda.empty_cache()
        return np.concatenate([self._encode_halving(half) for half in np.array_split(pixels, 2)])

    @torch.inference_mode()
    def _encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(pixels).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        images = self._reader.tensor(
            images.contiguous(memory_format=self._layout)
        )  # transposed as uint8, a quarter of the bytes
        with autocast(self.precision, self.device):
            features = self._model.encode_image(images)
        return _unit(features)

    @torch.inference_mode()
    def _encode_tokens(self, tokens: torch.Tensor) -> np.ndarray:
        with autocast(self.precision, self.device):
            features = text_features(self._model, tokens.to(self.device))
        return _unit(features)


def _threads_suffice(device: torch.device, workers: int) -> bool:
    """Whether threads decode as fast as ``device`` encodes, or processes are not available."""
    return device.type == "cpu" or workers <= THREADS or not hasattr(os, "memfd_create")


def load_tokenizer(folder: Path) -> Callable[[list[str]], torch.Tensor]:
    """The folder's tokenizer, from texts to int64 (n, context length). Raises ModelUnavailable."""
    try:
        tokenize: Callable[[list[str]], torch.Tensor] = open_clip.get_tokenizer(f"local-dir:{folder}")
    except Exception as error:
        raise ModelUnavailable(
            f"the tokenizer of {folder} cannot be had: {first_line(error)}. Models with a hub tokenizer "
            "(SigLIP, XLM-R) need the transformers package and the tokenizer's files beside the weights"
        ) from error
    return tokenize


def _unit(features: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()


def _require_finite(vectors: np.ndarray, names: list[str]) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        shown = ", ".join(repr(names[row]) for row in bad[:3])
        raise CatalogError(f"{bad.size} vectors are not finite, first for {shown}: the model or the input is damaged")
