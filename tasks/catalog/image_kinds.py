"""What a file is by its first bytes, whatever its name says, and whether its end is missing."""

import zlib
from collections.abc import Iterator

_IMAGES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_OTHERS = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "a gzip file", b"8BPS": "a Photoshop file",
    b"%!PS": "PostScript", b"\0\0\1\0": "an icon file", b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP": "JPEG 2000", b"ID3": "a sound file", b"\x1aE\xdf\xa3": "a video", b"7z\xbc\xaf": "an archive",
}  # fmt: skip


def recognise(data: bytes) -> tuple[str, bool]:
    """What ``data`` looks like, and whether that is an image we read; ``("", False)`` for unknown bytes."""
    for magic, name in _IMAGES.items():
        if data.startswith(magic):
            return name, True
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            return name, False
    if data[:4] == b"RIFF" and len(data) >= 12:
        return ("WEBP", True) if data[8:12] == b"WEBP" else ("a sound or video file", False)
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("latin-1")
        return ("AVIF", True) if _is_avif(data) else (f"a video or HEIC file (brand {brand!r})", False)
    name = _text_kind(data[:2048])
    if name:
        return name, False
    return ("BMP", True) if data[:2] == b"BM" else ("", False)


def _is_avif(data: bytes) -> bool:
    """Whether an ISO media file says that it is an AVIF, by its own brand or one of those it is compatible with."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), 1024)]
    brands = {box[0:4], *(box[at : at + 4] for at in range(8, len(box), 4))}
    return bool(brands & {b"avif", b"avis"})


def _text_kind(head: bytes) -> str:
    """The kind of text ``head`` is the beginning of, "" for bytes that are no text."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1024].lower()
    if b"<svg" in start and start.startswith(b"<"):
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if start.startswith(b"<?xml"):
        return "an XML file"
    if b"\0" in head:
        return ""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or not error.start:  # else: a character cut at the end of the window
            return ""
        text = head[: error.start].decode("utf-8")
    printable = all(character.isprintable() or character.isspace() for character in text)
    return "a text file" if printable else ""


def declared_size(data: bytes, kind: str) -> tuple[int, int]:
    """Width and height that the header of a PNG, GIF, BMP or JPEG claims, even if nothing follows; (0, 0) if none."""
    if kind == "PNG" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if kind == "GIF" and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if kind == "BMP" and len(data) >= 26:
        width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        return abs(width), abs(height)
    return _jpeg_size(data) if kind == "JPEG" else (0, 0)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + max(size, 2)
    return 0, 0


def looks_cut(data: bytes, kind: str) -> bool:
    """Whether the mark that ends a file of this kind is missing, or its own lengths reach beyond its end."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if kind == "PNG":
        return b"IEND" not in data[-4096:]
    if kind == "GIF":
        return not data.rstrip(b"\0").endswith(b";")
    if kind == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind == "AVIF":
        return _boxes_end(data) > len(data)
    return len(data) < 64


def _boxes_end(data: bytes) -> int:
    """Where the last top-level box of an ISO media file says it ends."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:  # 0: to the end of the file; 1: a 64-bit size, which no image needs
            return len(data)
        at += size
    return max(at, len(data) + (at < len(data)))


def damage(png: bytes) -> str:
    """What is wrong with the chunks a PNG's pixels depend on, "" if nothing. Pillow reads past a wrong checksum."""
    ended = False
    for name, body, checksum in chunks(png):
        if name in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(name + body) != checksum:
            return f"a PNG of {len(png):,} bytes whose {name.decode()} chunk has a wrong checksum"
        ended = ended or name == b"IEND"
    return "" if ended else f"a PNG of {len(png):,} bytes that is cut off before its end mark"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """(name, body, checksum) of each chunk (https://www.w3.org/TR/png/#5Chunk-layout); the last may be cut."""
    at = 8
    while at + 8 <= len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        name = png[at + 4 : at + 8]
        end = at + 8 + size
        if name == b"IEND" or end + 4 <= len(png):
            yield name, png[at + 8 : end], int.from_bytes(png[end : end + 4], "big")
        if name == b"IEND":
            return
        at = end + 4
