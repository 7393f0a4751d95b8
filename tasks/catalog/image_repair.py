"""Files whose fault costs no pixel, which browsers show whole: mended, so that a strict decoder reads them too."""

import hashlib
import io
import re
import zlib

from PIL import Image

from tasks.catalog.image_kinds import chunks

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # within the pixels of a scan, FF 00 is a byte and D0-D7 restart
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: those that Pillow's decoder reads
_SCAN = 0xDA
_UNSENT = 99


def repaired(data: bytes, kind: str) -> bytes | None:
    """The image that ``data`` holds whole in spite of its fault, None where it does not or the fault is another.

    A JPEG that lacks only its end mark; a PNG with a wrong checksum in a chunk that its pixels do not depend on.
    """
    if kind == "PNG":
        return _without_damaged_extras(data)
    return _with_end_mark(data) if kind == "JPEG" else None


def _without_damaged_extras(png: bytes) -> bytes | None:
    """The PNG without the ancillary chunks (lower-case names) whose checksum is wrong; None where all are right."""
    kept, left_out = [png[:8]], False
    for name, body, checksum in chunks(png):
        if name[:1].islower() and zlib.crc32(name + body) != checksum:
            left_out = True
        else:
            kept += [len(body).to_bytes(4, "big"), name, body, checksum.to_bytes(4, "big")]
    return b"".join(kept) if left_out else None


def _with_end_mark(jpeg: bytes) -> bytes | None:
    """The JPEG with its end mark, None where pixels are missing too.

    A decoder fills what is missing from whatever follows and says nothing. So two different endings are put behind:
    where both give the same pixels, none came from them.
    """
    body = jpeg.rstrip(b"\xff")
    segments = _segments(body)
    if not _all_sent(body, segments):
        return None
    restarts = _RESTART.findall(body, segments[-1][2])
    restart = b"\xff" + bytes([0xD0 + (restarts[-1][1] + 1) % 8 if restarts else 0xD0])
    # behind a restart mark once more: a decoder that waits for one skips all before it
    endings = [filler + restart + filler + _END for filler in (b"\x00" * 64, b"\xaa" * 64)]
    try:
        seen = {_pixels(body + ending) for ending in endings}
    except Exception:  # as for any image, a decoder raises anything
        return None
    return body + _END if len(seen) == 1 else None


def _pixels(jpeg: bytes) -> bytes:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return hashlib.sha256(image.tobytes()).digest()


def _segments(jpeg: bytes) -> list[tuple[int, int, int]]:
    """Marker, begin and end of each segment (https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1), without its length."""
    found, at = [], 2
    while match := _MARKER.search(jpeg, at):
        begin = match.end()
        at = begin + max(2, int.from_bytes(jpeg[begin : begin + 2], "big"))
        found.append((match[1][0], begin + 2, at))
    return found


def _all_sent(jpeg: bytes, segments: list[tuple[int, int, int]]) -> bool:
    """Whether the scans announce every bit of every coefficient: a progressive JPEG may be cut between two scans."""
    frame = next((jpeg[at:end] for marker, at, end in segments if marker in _FRAMES), b"")
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5] or segments[-1][0] != _SCAN:
        return False
    missing = {frame[6 + 3 * number]: [_UNSENT] * 64 for number in range(frame[5])}  # bits of each coefficient
    for scan in (jpeg[at:end] for marker, at, end in segments if marker == _SCAN):
        if not scan or len(scan) < 4 + 2 * scan[0]:
            return False
        parts, (first, last, bits) = scan[1 : 1 + 2 * scan[0] : 2], scan[1 + 2 * scan[0] : 4 + 2 * scan[0]]
        for part in parts:
            missing.setdefault(part, [_UNSENT] * 64)[first : last + 1] = [bits & 15] * (last - first + 1)
    return not any(any(bits) for bits in missing.values())
