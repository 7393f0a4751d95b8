"""Image bytes to pixels by OpenCLIP's own transform, and prefetching."""

import io
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from open_clip.transform import MaybeConvertMode, PreprocessCfg, image_transform_v2
from PIL import ExifTags, Image, ImageOps
from torchvision.transforms import CenterCrop, Resize, v2
from torchvision.transforms.functional import normalize

from tasks.clip.folder import first_line
from tasks.schema.errors import CatalogError

Item = TypeVar("Item")
Made = TypeVar("Made")
ImageLike = bytes | Image.Image

#: Least side of a reduced JPEG, in sides of the result. At 1 the decoder's coarse averaging would change the vectors.
_SPARE = 1.5


def open_image(image: ImageLike, side: int = 0) -> Image.Image:
    """RGB image from encoded bytes or a PIL image of any mode, upright by its EXIF tag.

    Transparent parts become white, as in a shop; OpenCLIP's own conversion makes them black. ``side``: pixels that its
    shorter side needs; a much larger JPEG is decoded at a half, a quarter or an eighth of its size.
    """
    if isinstance(image, Image.Image):
        opened = image
    else:
        opened = Image.open(io.BytesIO(image))
        if side:
            opened.draft(None, (side, side))
    if opened.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # without it, exif_transpose copies the image
        opened = ImageOps.exif_transpose(opened)
    if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
        opened = opened.convert("RGBA")
        opened = Image.alpha_composite(Image.new("RGBA", opened.size, "white"), opened)
    return opened if opened.mode == "RGB" else opened.convert("RGB")


class PixelReader:
    """Images to tensors as the model expects them: ``preprocess`` is OpenCLIP's preprocess_cfg."""

    def __init__(self, preprocess: dict[str, Any], image_size: int | tuple[int, int]) -> None:
        self.preprocess = preprocess
        known = {key: value for key, value in preprocess.items() if key in PreprocessCfg.__dataclass_fields__}
        self.settings = PreprocessCfg(**{**known, "size": image_size})
        transform = image_transform_v2(self.settings, is_train=False)
        *geometry, _to_tensor, self.normalise = transform.transforms
        self._on_images = v2.Compose(geometry)
        steps = [_tensor_step(step) for step in geometry if not isinstance(step, MaybeConvertMode)]
        self._on_tensors = v2.Compose(steps) if None not in steps else None
        self._side = math.ceil(_SPARE * max(np.atleast_1d(image_size)))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        size = self.settings.size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    def pixels(self, image: ImageLike) -> np.ndarray:
        """Resized and cropped pixels, not yet normalised: uint8 (height, width, 3)."""
        opened = open_image(image, self._side)
        if self._on_tensors is None:
            return np.asarray(self._on_images(opened))
        pixels = self._on_tensors(torch.from_numpy(np.array(opened)).permute(2, 0, 1))
        return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

    def tensor(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised float32 (n, 3, height, width) from uint8 (n, 3, height, width)."""
        normalised: torch.Tensor = normalize(
            pixels.float().div_(255), self.settings.mean, self.settings.std, inplace=True
        )
        return normalised


def _tensor_step(step: Any) -> torch.nn.Module | None:
    """The same ``step`` on uint8 tensors, None where there is none: several times as fast as Pillow's, nearly equal."""
    if isinstance(step, Resize):
        resize: torch.nn.Module = v2.Resize(step.size, step.interpolation, step.max_size, step.antialias)
        return resize
    crop: torch.nn.Module | None = v2.CenterCrop(step.size) if isinstance(step, CenterCrop) else None
    return crop


def decode(reader: PixelReader, name: str, image: ImageLike) -> np.ndarray:
    """The reader's pixels of the image ``name``. Raises CatalogError."""
    try:
        return reader.pixels(image)
    except Exception as error:
        raise CatalogError(f"image {name} cannot be read: {first_line(error)}") from error


def prefetch(
    function: Callable[[Item], Made], items: Iterable[Item], pool: ThreadPoolExecutor, depth: int
) -> Iterator[Made]:
    """Results of ``function`` for each item in order, computed by ``pool`` with at most ``depth`` items in progress."""
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
