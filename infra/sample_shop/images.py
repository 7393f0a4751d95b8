"""The image files of a listing: which there are, and how each one's bytes are made."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .designs import Product, design, token
from .render import render
from .shop import Entry

SIZE = 128  # pixels, both sides
_QUALITY = 88


@dataclass(frozen=True)
class ImageJob:
    """One image: product, view (0 main, 1 second), how often it was retaken, and what is wrong with the file."""

    product: Product
    view: int
    revision: int
    defect: str = ""

    @property
    def image_id(self) -> str:
        """Eleven characters, as in ABO; a retaken image has a new one."""
        return token(11, self.product.seed, "image", self.product.uid, self.view, self.revision)

    @property
    def path(self) -> str:
        """Below images/small."""
        return f"{self.image_id[:2]}/{self.image_id}.jpg"

    @property
    def size(self) -> int:
        """Pixels along each side."""
        return SIZE


def jobs_of(entry: Entry) -> list[ImageJob]:
    """The images that exist for a listing, main image first; broken listings have one or none."""
    if entry.defect in ("unknown_image_id", "missing_main_image_id"):
        return []
    jobs = [ImageJob(entry.product, 0, entry.image_revision, entry.defect)]
    if entry.product.has_second_view and not entry.defect:
        jobs.append(ImageJob(entry.product, 1, 0))
    return jobs


def _encode(image: Image.Image, quality: int = _QUALITY) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def image_bytes(job: ImageJob) -> bytes:
    """The bytes of the file, sound or broken."""
    if job.defect == "zero_byte_image":
        return b""
    if job.defect == "not_an_image":
        return b"<html><head><title>404 Not Found</title></head><body>The picture has moved.</body></html>\n"
    product = job.product
    if product.copy_of:
        product = design(product.seed, product.copy_of)[0]
    image = Image.fromarray(render(product, job.view, job.revision, SIZE))
    if job.product.copy_mode == "near":
        edge = 2 + int(job.product.rng(21).integers(3))
        image = image.crop((edge, edge, SIZE - 1, SIZE - 1)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        return _encode(image, quality=72)
    data = _encode(image)
    return data[: len(data) // 2] if job.defect == "truncated_image" else data


def write_image(task: tuple[Path, ImageJob]) -> str:
    """Write one image below the shop's folder, whole or not at all; its image id."""
    out, job = task
    target = out / "images/small" / job.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(image_bytes(job))
    part.replace(target)
    return job.image_id
