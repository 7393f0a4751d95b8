"""Pixels of training batches: decoded once where memory allows, then augmented each time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tasks.clip.config import Recipe
from tasks.clip.folder import first_line
from tasks.clip.images import PixelReader, prefetch
from tasks.schema.errors import CatalogError
from tasks.schema.progress import Progress, silent

#: Largest shift of an image as a share of its side. Its edge is repeated; cropping a larger image instead would train
#: on products at another scale than at search time.
SHIFT = 1 / 24


class PixelCache:
    """Decoded uint8 pixels of ``images`` at the reader's size, cached if all of them fit into ``memory_bytes``."""

    def __init__(
        self, images: Sequence[bytes], reader: PixelReader, threads: int, memory_bytes: int, progress: Progress = silent
    ) -> None:
        self._images, self._reader = images, reader
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        height, width = reader.sides
        self._kept: np.ndarray | None = None
        if len(images) * height * width * 3 <= memory_bytes:
            self._kept = self._decode_all((len(images), 3, height, width), threads, progress)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Pixels of ``rows``, uint8 (n, 3, height, width). Raises CatalogError naming an unreadable image."""
        if self._kept is not None:
            kept: np.ndarray = self._kept[rows]
            return kept
        return np.stack(list(self._pool.map(self._decode, rows.tolist())))

    def close(self) -> None:
        """End the decoding threads."""
        self._pool.shutdown(cancel_futures=True)

    def _decode(self, row: int) -> np.ndarray:
        try:
            # the same memory layout whether cached or not: sums over an image round differently in another
            return np.ascontiguousarray(self._reader.pixels(self._images[row]).transpose(2, 0, 1))
        except Exception as error:
            raise CatalogError(f"training image {row} cannot be read: {first_line(error)}") from error

    def _decode_all(self, shape: tuple[int, ...], threads: int, progress: Progress) -> np.ndarray:
        kept = np.empty(shape, np.uint8)
        for row, pixels in enumerate(prefetch(self._decode, range(shape[0]), self._pool, depth=8 * threads)):
            kept[row] = pixels
            if row % 500 == 499:
                progress(row / shape[0], f"decoded {row + 1} of {shape[0]} images")
        return kept


def augment(pixels: np.ndarray, recipe: Recipe, random: np.random.Generator, device: torch.device) -> torch.Tensor:
    """Augmented images, float32 (n, 3, h, w) in 0..1 on ``device``, from uint8 of that shape.

    Shifted or cropped, mirrored, and changed in brightness and contrast, as the recipe says.
    """
    count = len(pixels)
    flips = random.random(count) < 0.5 if recipe.flip else np.zeros(count, bool)
    if recipe.crop_area_min < 1:
        images = _resized_crops(pixels, recipe.crop_area_min, flips, random, device)
    else:
        shifted = torch.from_numpy(_shifted(pixels, flips, random))
        images = shifted.to(device, non_blocking=True).float().div_(255)
    if recipe.jitter:
        factors = random.uniform(1 - recipe.jitter, 1 + recipe.jitter, (2, count, 1, 1, 1)).astype(np.float32)
        brightness, contrast = torch.from_numpy(factors).to(device)
        images = images * brightness
        grey = images.mean((1, 2, 3), keepdim=True)
        images = torch.clamp(torch.lerp(grey, images, contrast), 0, 1)
    return images


def _shifted(pixels: np.ndarray, flips: np.ndarray, random: np.random.Generator) -> np.ndarray:
    count, _, height, width = pixels.shape
    reach = round(SHIFT * min(height, width))
    wide = np.pad(pixels, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    tops, lefts = random.integers(0, 2 * reach + 1, (2, count))
    shown = np.empty_like(pixels)
    for row, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        crop = wide[row, :, top : top + height, left : left + width]
        shown[row] = crop[:, :, ::-1] if flip else crop
    return shown


def _resized_crops(
    pixels: np.ndarray, area_min: float, flips: np.ndarray, random: np.random.Generator, device: torch.device
) -> torch.Tensor:
    """Crops of a random area, resampled on the device in one call; torchvision would do it one image at a time."""
    count = len(pixels)
    side = np.sqrt(random.uniform(area_min, 1, count))
    middle = random.uniform(-1, 1, (count, 2)) * (1 - side[:, None])
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0] = np.where(flips, -side, side)
    theta[:, 1, 1] = side
    theta[:, :, 2] = middle
    images = torch.from_numpy(pixels).to(device, non_blocking=True).float().div_(255)
    grid = torch.nn.functional.affine_grid(torch.from_numpy(theta).to(device), list(pixels.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
