"""A shop's or a visitor's image made into ours: checked, upright, RGB on white, small, without metadata.

Catalogue and query go through the same `normalise`, so that a product's own file gives the vector of its item.
"""

import hashlib
import io
import threading
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from tasks.catalog.image_kinds import damage, declared_size, looks_cut, recognise
from tasks.catalog.image_repair import repaired

#: Decoders a stranger's bytes may reach. Pillow knows forty more, and imports them all where one of these is missing.
_PLUGINS = (
    JpegImagePlugin, PngImagePlugin, GifImagePlugin, WebPImagePlugin, BmpImagePlugin, TiffImagePlugin, AvifImagePlugin,
)  # fmt: skip
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # images are read side by side, and a thread's stack counts as memory

#: Raised when more is accepted than before: an image that an older judge refused is then read again.
JUDGE = 2
#: Pixels of the shorter side. A model scales it up to some 224: of fewer, as of a 1 x 1 tracking pixel, nothing shows.
LEAST_SIDE = 8
_THINNEST = 100  # times as long as wide: scaled by its shorter side, a strip would take a model gigabytes
_QUALITY = 90
_BIG_PIXELS = 8_000_000  # decoded one at a time, so that threads times size stays bounded
_BIG = threading.Lock()
_AT_ONCE = 1_000_000  # pixels of deep grey that are numbers of eight bytes at a time
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Largest file in bytes, largest image in pixels, longest side of a stored image in pixels."""

    max_bytes: int = 25_000_000
    max_pixels: int = 50_000_000
    side: int = 320


@dataclass(frozen=True, slots=True)
class NormalisedImage:
    """An image as it is stored. ``sha256`` is of ``jpeg``, ``source_sha256`` of the shop's bytes."""

    jpeg: bytes
    sha256: str
    width: int
    height: int
    source_sha256: str


class ImageFault(Exception):
    """Raised for an image that cannot be used: ``reason`` is one of REJECT_REASONS, ``detail`` what was found.

    Both are stored with the rejects, and a catalogue's id follows from what is stored: other words, another id.
    ``size``: width and height in pixels where those are the fault.
    """

    def __init__(self, reason: str, detail: str, size: tuple[int, int] | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.size = size


def normalise(data: bytes, limits: ImageLimits) -> NormalisedImage:
    """``data`` as a small upright RGB JPEG (quality 90, 4:4:4, no metadata), of an animation its first frame.

    A plain RGB JPEG that is small enough is kept byte for byte, after decoding it once to see that it is whole.
    Raises ImageFault, and nothing else, for any bytes.
    """
    check_size(len(data), limits.max_bytes)
    kind, is_image = recognise(data)
    if not is_image and kind:
        raise ImageFault("picture_wrong_type", f"{kind}, not a picture (JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF)")
    try:
        jpeg, size = _read(data, kind, limits)
    except ImageFault as fault:
        whole = repaired(data, kind) if fault.reason in ("picture_truncated", "picture_unreadable") else None
        if whole is None:
            raise
        try:
            jpeg, size = _read(whole, kind, limits)
        except ImageFault:
            raise fault from None
    digest = hashlib.sha256(data).hexdigest()
    sha256 = digest if jpeg is data else hashlib.sha256(jpeg).hexdigest()
    return NormalisedImage(jpeg, sha256, *size, digest)


def _read(data: bytes, kind: str, limits: ImageLimits) -> tuple[bytes, tuple[int, int]]:
    check_pixels(*declared_size(data, kind), limits.max_pixels)
    try:
        with _open(data, kind) as image:
            return _normalised(image, data, limits)
    except ImageFault:
        raise
    except Exception as error:  # decoders raise anything: struct.error, SyntaxError, KeyError, MemoryError ...
        raise _decoding_fault(error, data, kind) from error


def check_size(size: int, max_bytes: int) -> None:
    """Raise ImageFault for a file of ``size`` bytes that is empty or over the limit."""
    if size == 0:
        raise ImageFault("picture_empty", "the file has no bytes")
    if size > max_bytes:
        raise ImageFault("picture_too_large", f"{size:,} bytes, the limit is {max_bytes:,} (picture_max_bytes)")


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageFault for an image of more than ``max_pixels``."""
    if width * height > max_pixels:
        found = f"{width:,} x {height:,} pixels, the limit is {max_pixels:,} in all (picture_max_pixels)"
        raise ImageFault("picture_too_large", found, (width, height))


def _check_shape(width: int, height: int) -> None:
    """Raise ImageFault for an image too small or too thin to show anything."""
    found, size = f"{width:,} x {height:,} pixels", (width, height)
    if min(size) < LEAST_SIDE:
        raise ImageFault("picture_too_small", f"{found}, at least {LEAST_SIDE} a side are needed", size)
    if max(size) > _THINNEST * min(size):
        raise ImageFault("picture_too_small", f"{found}: more than {_THINNEST} times as long as wide", size)


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFault("picture_too_large", str(error)) from error
    except UnidentifiedImageError as error:
        if kind and looks_cut(data, kind):
            raise ImageFault("picture_truncated", f"a {kind} that ends after {len(data):,} bytes") from error
        what = f"starts like a {kind} but has no readable header" if kind else f"unknown bytes {data[:8].hex(' ')} ..."
        raise ImageFault("picture_unreadable", (damage(data) if kind == "PNG" else "") or what) from error


def _decoding_fault(error: Exception, data: bytes, kind: str) -> ImageFault:
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    what = f"a {kind or 'file'} of {len(data):,} bytes"
    if isinstance(error, MemoryError):
        return ImageFault("picture_too_large", "does not fit in memory")
    if "truncated" in message.lower() or looks_cut(data, kind):
        return ImageFault("picture_truncated", f"{what} that is cut off ({message})")
    return ImageFault("picture_unreadable", f"{what} ({message})")


def _normalised(image: Image.Image, data: bytes, limits: ImageLimits) -> tuple[bytes, tuple[int, int]]:
    width, height = image.size
    check_pixels(width, height, limits.max_pixels)
    _check_shape(width, height)
    found = damage(data) if image.format == "PNG" else ""
    if found:
        raise ImageFault("picture_truncated" if looks_cut(data, "PNG") else "picture_unreadable", found)
    if width * height > _BIG_PIXELS:
        with _BIG:
            return _decoded(image, data, limits)
    return _decoded(image, data, limits)


def _decoded(image: Image.Image, data: bytes, limits: ImageLimits) -> tuple[bytes, tuple[int, int]]:
    profile = image.info.get("icc_profile")
    if _keepable(image, data, limits, profile):
        image.load()
        return data, image.size
    shrunk = _shrunk(image, limits.side)
    upright = _UPRIGHT.get(_orientation(image))
    flat = _to_srgb(_on_white(shrunk), profile)
    if upright is not None:
        flat = flat.transpose(upright)
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=_QUALITY, subsampling=0)
    return out.getvalue(), flat.size


def _keepable(image: Image.Image, data: bytes, limits: ImageLimits, profile: bytes | None) -> bool:
    if image.format != "JPEG" or image.mode != "RGB" or max(image.size) > limits.side:
        return False
    padded = len(data) > 3 * image.width * image.height + 16_384  # more than the raw pixels: metadata or cargo
    return not padded and _orientation(image) == 1 and (not profile or _is_srgb(profile))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1) or 1)
    except MemoryError:  # a crafted entry is copied a thousand times
        raise
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Pixels with the longest side at most ``side``, in a mode whose values can be averaged."""
    if image.mode in ("RGB", "L", "CMYK"):
        wide = image
    else:
        image.load()
        wide = _averageable(image)
    if "transparency" in image.info and wide.mode in ("L", "RGB"):
        wide.load()
        wide = wide.convert("RGBA")
    wide.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)  # lets JPEG decode at a smaller scale
    wide.load()
    return wide


def _averageable(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bits(image)
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "PA", "La", "RGBa"):
        return image.convert("RGBA")
    return image if image.mode == "RGBA" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey as 8 bits. Pillow's own conversion cuts every value above 255 to white."""
    values = np.asarray(image)
    rows = max(1, _AT_ONCE // max(1, image.width))
    strips = [values[start : start + rows] for start in range(0, image.height, rows)]  # float64 takes eight bytes each
    if not all(np.isfinite(strip).all() for strip in strips):
        raise ImageFault("picture_unreadable", f"a {image.format} with pixels that are not numbers")
    top = max((float(strip.max(initial=0)) for strip in strips), default=0.0)
    full = 1.0 if image.mode == "F" and top <= 1 else 255.0 if image.mode == "F" and top <= 255 else 65535.0
    scale = 255.0 / max(full, top)
    grey = np.empty(values.shape, np.uint8)
    for start, strip in zip(range(0, image.height, rows), strips, strict=True):
        grey[start : start + rows] = np.clip(np.rint(strip.astype(np.float64) * scale), 0, 255)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
        return Image.merge("RGBA", (*[Image.fromarray(grey)] * 3, alpha))
    return Image.fromarray(grey)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB in the colours of the web. Without a usable profile, by Pillow's plain formula."""
    if profile and image.mode in ("RGB", "CMYK") and not _is_srgb(profile):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a damaged profile, or one of another kind of pixels
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_srgb(profile: bytes) -> bool:
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return True  # unreadable: nobody can apply it, so the values stand as they are
    return "srgb" in name.lower()
