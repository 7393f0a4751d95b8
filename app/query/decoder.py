"""The process that decodes untrusted images: ``python -m app.query.decoder MAX_PIXELS MEMORY_BYTES``.

A megabyte of crafted EXIF costs Pillow a gigabyte, comments in a GIF or thousands of scans in a JPEG cost it
minutes, and the size of the image does not show it. So images are decoded here, under a memory limit, and
`app.query.uploads` ends the process when its time is up.

Reads from stdin, repeatedly: 8 bytes with a length, and an upload of that many bytes. Answers on stdout with
`HEAD` and as many bytes as it says: RGB pixels where the status is 0, else the reason for the caller.
"""

import contextlib
import io
import resource
import struct
import sys
import warnings
from pathlib import Path

from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from app.errors import BadImage

LENGTH = struct.Struct(">Q")
#: Status (0, or that of the problem), width, height, and how many bytes follow.
HEAD = struct.Struct(">HIIQ")

_PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin, GifImagePlugin, BmpImagePlugin)
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
ADVICE = "Send a JPEG, PNG, WebP, GIF or BMP."
_SIDE = 1024  # models look at a few hundred pixels; more would only cost time
_LEAST, _THINNEST = 8, 100


def decode(content: bytes, max_pixels: int) -> Image.Image:
    """An upright RGB image of 1024 pixels a side at most (a GIF's first frame, transparency on white).

    Raises BadImage: 413 where it has too many pixels, 422 otherwise. Never anything else but MemoryError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel warning: the limit below is lower
            return _decode(content, max_pixels)
    except (BadImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadImage(f"The picture has more than {max_pixels:,} pixels. Send a smaller one.", 413) from None
    except Exception:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ... on hostile bytes: all mean the same
        raise BadImage(
            f"The upload cannot be read as a picture: it is damaged, or another kind of file. {ADVICE}"
        ) from None


def _decode(content: bytes, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        _check_size(image, max_pixels)
        image.draft(None, (2 * _SIDE, 2 * _SIDE))  # a JPEG may be decoded at half, a quarter or an eighth
        image.load()
        clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        mode = "RGBA" if clear else "RGB"
        small = image if image.mode == mode else image.convert(mode)
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    with contextlib.suppress(OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        small = ImageOps.exif_transpose(small)  # damaged EXIF says nothing about the pixels
    if clear:
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    return small.convert("RGB")


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    found = f"The picture has {width} x {height} pixels"
    if width * height > max_pixels:  # known from the header, before a pixel is decoded
        raise BadImage(f"{found}, the limit is {max_pixels:,}. Send a smaller one.", 413)
    if min(width, height) < _LEAST:
        raise BadImage(f"{found}: too few to recognise anything. Send a larger one.")
    if max(width, height) > _THINNEST * min(width, height):  # models scale the short side up to their size
        raise BadImage(f"{found}: too thin to recognise anything. Send a part of it.")


def _limit_memory(more: int) -> None:
    """Allow ``more`` bytes beyond what the process has mapped now. Only Linux enforces it."""
    with contextlib.suppress(OSError, ValueError):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more, mapped + more))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(content: bytes, max_pixels: int) -> tuple[bytes, bytes]:
    try:
        image = decode(content, max_pixels)
    except BadImage as error:
        reason = str(error).encode()
        return HEAD.pack(error.status, 0, 0, len(reason)), reason
    pixels = image.tobytes()
    return HEAD.pack(0, *image.size, len(pixels)), pixels


def main() -> None:
    """Answer until stdin ends. An image beyond the memory limit ends the process."""
    max_pixels, memory = (int(given) for given in sys.argv[1:])
    _limit_memory(memory)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while length := source.read(LENGTH.size):
        for part in _answer(source.read(LENGTH.unpack(length)[0]), max_pixels):
            sink.write(part)
        sink.flush()


if __name__ == "__main__":
    main()
