"""The process that decodes untrusted images: ``python -m app.query.decoder MAX_PIXELS MEMORY_BYTES``.

A megabyte of crafted EXIF costs Pillow a gigabyte, comments in a GIF or thousands of scans in a JPEG cost it
minutes, and the size of the image does not show it. So images are decoded here, under a memory limit, and
`app.query.uploads` ends the process when its time is up.

Reads from stdin, repeatedly: `UPLOAD`, and an upload of that many bytes. Answers on stdout with `HEAD` and as many
bytes as it says: RGB pixels where the status is 0, else the reason for the caller.
"""

import contextlib
import io
import resource
import struct
import sys
import warnings
from pathlib import Path

from PIL import Image

from app.errors import BadImage
from tasks.catalog.images import LEAST_SIDE, ImageFault, ImageLimits, normalise

#: How many bytes follow, and the longest side of the image wanted in pixels.
UPLOAD = struct.Struct(">QI")
#: Status (0, or that of the problem), width, height, and how many bytes follow.
HEAD = struct.Struct(">HIIQ")

ADVICE = "Send a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."


def decode(content: bytes, side: int, max_pixels: int) -> Image.Image:
    """The image that a catalogue would store of ``content``: a product's own file gives the pixels of its item.

    Raises BadImage: 413 where it has too many pixels, 422 otherwise. Never anything else but MemoryError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel warning: the limit below is lower
            found = normalise(content, ImageLimits(len(content), max_pixels, side))
    except ImageFault as fault:
        if isinstance(fault.__cause__, MemoryError):
            raise MemoryError from fault
        raise _refusal(fault, max_pixels) from None
    return Image.open(io.BytesIO(found.jpeg), formats=("JPEG",)).convert("RGB")


def _refusal(fault: ImageFault, max_pixels: int) -> BadImage:
    if fault.reason == "picture_too_large":
        if fault.size is None:
            return BadImage(f"The picture has more than {max_pixels:,} pixels. Send a smaller one.", 413)
        found = f"The picture has {fault.size[0]} x {fault.size[1]} pixels"
        return BadImage(f"{found}, the limit is {max_pixels:,}. Send a smaller one.", 413)
    if fault.size is not None:
        found = f"The picture has {fault.size[0]} x {fault.size[1]} pixels"
        if min(fault.size) < LEAST_SIDE:
            return BadImage(f"{found}: too few to recognise anything. Send a larger one.")
        return BadImage(f"{found}: too thin to recognise anything. Send a part of it.")
    return BadImage(f"The upload cannot be read as a picture: it is damaged, or another kind of file. {ADVICE}")


def _limit_memory(more: int) -> None:
    """Allow ``more`` bytes beyond what the process has mapped now. Only Linux enforces it."""
    with contextlib.suppress(OSError, ValueError):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more, mapped + more))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(content: bytes, side: int, max_pixels: int) -> tuple[bytes, bytes]:
    try:
        image = decode(content, side, max_pixels)
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
    while head := source.read(UPLOAD.size):
        length, side = UPLOAD.unpack(head)
        for part in _answer(source.read(length), side, max_pixels):
            sink.write(part)
        sink.flush()


if __name__ == "__main__":
    main()
