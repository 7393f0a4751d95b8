"""Uploads that mean harm, or merely are what no shop has: made by hand, and by mutating good images with a seed."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageCms

_SIGNATURES = {
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "gif": b"GIF89a",
    "webp": b"RIFF\xff\xff\0\0WEBPVP8 ",
    "bmp": b"BM",
    "tiff": b"II*\0\x08\0\0\0",
    "avif": b"\0\0\0 ftypavif\0\0\0\0avifmif1miafMA1B\0\0\0\xebmeta",
}


@dataclass(frozen=True)
class Upload:
    """One upload: the family it is counted in, what it is, its bytes, and the content type that it claims."""

    family: str
    name: str
    content: bytes
    claims: str = "image/png"


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (96, 64), **options: object) -> bytes:
    """A good image of noise, or a plain one where it is large."""
    buffer = io.BytesIO()
    plain = size[0] * size[1] > 1_000_000 or mode in ("I;16", "F", "1")
    image = Image.new(mode, size) if plain else _noise(size, size[0]).convert(mode)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache  # an AVIF of several frames says when it was made: a second time it has other bytes
def good() -> dict[str, bytes]:
    """Good images to mutate, of every format that is taken, plain and with all that a format can carry."""
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [_noise((48, 48), number).convert("RGB") for number in range(3)]
    return {
        "jpeg": encoded("JPEG", exif=turned, comment=b"made up"),
        "progressive": encoded("JPEG", progressive=True),
        "cmyk": encoded("JPEG", "CMYK"),
        "png": encoded("PNG", "RGBA", exif=turned),
        "palette": encoded("PNG", "P", transparency=3),
        "deep": encoded("PNG", "I;16"),
        "apng": _saved(frames, "PNG"),
        "gif": _saved(frames, "GIF"),
        "webp": encoded("WEBP", exif=turned),
        "lossless": encoded("WEBP", "RGBA", lossless=True),
        "animated": _saved(frames, "WEBP"),
        "bmp": encoded("BMP"),
        "tiff": encoded("TIFF", exif=turned, compression="tiff_lzw"),
        "deep tiff": encoded("TIFF", "I;16", compression="tiff_adobe_deflate"),
        "jpeg in tiff": encoded("TIFF", compression="jpeg"),
        "avif": encoded("AVIF", exif=turned),
        "moving avif": _saved(frames, "AVIF"),
        "profile": encoded("JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()),
    }


def crafted(slow: bool = True) -> Iterator[Upload]:
    """Everything made by hand; without what takes seconds to make or to refuse where it should not be ``slow``."""
    if slow:
        yield from _bombs()
        yield from _slow()
    yield from _polyglots()
    yield from _other_files()
    yield from _odd_images()
    yield from _cut()


def mutated(seed: int, count: int) -> Iterator[Upload]:
    """``count`` images with bits flipped, pieces moved and numbers made extreme, and random bytes behind a header."""
    chance, images = random.Random(seed), good()
    for number in range(count):
        if number % 10 == 0:
            kind = chance.choice(sorted(_SIGNATURES))
            noise = chance.randbytes(chance.choice((1, 40, 3000)))
            yield Upload("noise behind a header", f"{kind} {number}", _SIGNATURES[kind] + noise)
            continue
        kind = chance.choice(sorted(images))
        content = bytearray(images[kind])
        for _ in range(chance.choice((1, 1, 2, 8, 40))):
            _mutate(content, chance)
        yield Upload("mutated", f"{kind} {number}", bytes(content), chance.choice(("image/png", "text/html", "x")))


def _mutate(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content) or 1)
    length = min(chance.choice((1, 2, 4, 64, 500)), len(content) - at)
    match chance.randrange(6):
        case 0 if content:
            content[at] ^= 1 << chance.randrange(8)
        case 1:
            content[at : at + length] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
        case 2:
            content[at:at] = content[at : at + length] * chance.choice((1, 3, 100))
        case 3 if len(content) > 64:
            del content[at : at + length]
        case 4:
            content[at : at + 4] = struct.pack(chance.choice("<>") + "I", chance.choice((0, 1, 2**31, 2**32 - 1)))
        case _:
            content[at:at] = chance.randbytes(length)


def _bombs() -> Iterator[Upload]:
    def bomb(name: str, content: bytes) -> Upload:
        return Upload("bomb", name, content)

    nothing = zlib.compress(b"\0" * 9)
    for width, height in ((50_000, 50_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 8), (0, 0)):
        yield bomb(f"PNG header {width}x{height}", png(width, height, idat=nothing))
    yield bomb(
        "GIF header 65535x65535", b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2"
    )
    canvas = (2**24 - 1).to_bytes(3, "little")
    yield bomb("WebP canvas of 2^48", _riff(b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + canvas + canvas))
    yield bomb(
        "BMP header 2^31", b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6)
    )
    tiff = encoded("TIFF", "L", (64, 64), compression="tiff_lzw")
    for tag in (256, 257, 273, 278, 279):  # width, height, where its strips are, rows in each, bytes of each
        yield bomb(f"TIFF, tag {tag} of 2^31", _tiff_claiming(tiff, tag, 2**31 - 1))
    yield bomb("PNG, a gigabyte in its pixels", png(64, 64, idat=zlib.compress(bytes(300_000_000), 9)))
    yield bomb("100 megapixels, JPEG", encoded("JPEG", "L", (10_000, 10_000)))
    yield bomb("100 megapixels, PNG", encoded("PNG", "L", (10_000, 10_000)))
    for kind in ("PNG", "WEBP", "GIF", "AVIF"):
        yield bomb(f"40 megapixels, {kind}", encoded(kind, "RGBA", (8000, 5000)))
    yield bomb("40 megapixels, progressive", encoded("JPEG", "RGB", (8000, 5000), progressive=True))
    million = zlib.compress(bytes(1_000_000), 9)
    for chunk, head in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")):
        yield bomb(f"PNG, 90 {chunk.decode()} of a megabyte", png(64, 64, (chunk, head + million), times=90))
    yield bomb("PNG, EXIF of 1000 x 1 MB", png(64, 64, (b"eXIf", _exif(1000, 1_000_000))))
    yield bomb("PNG, EXIF of 3000 x 9 MB", png(64, 64, (b"eXIf", _exif(3000, 9_000_000))))
    yield bomb("JPEG, EXIF of 1000 x 1 MB", jpeg_with(0xE1, b"Exif\0\0", _exif(1000, 1_000_000)))
    yield bomb("JPEG, 9 MB of ICC", jpeg_with(0xE2, b"ICC_PROFILE\0\1\xff", bytes(9_000_000)))
    for size in ((1, 60_000), (60_000, 1), (8, 4_000_000), (4_000_000, 8)):
        yield bomb(f"strip {size[0]}x{size[1]}", encoded("PNG", "L", size))
    yield bomb("11 megabytes", _SIGNATURES["jpeg"] + bytes(11_000_000))


def _slow() -> Iterator[Upload]:
    gif, scan = encoded("GIF", "P"), encoded("JPEG", "L", (6000, 6000), progressive=True)
    after = 13 + 3 * (2 << (gif[10] & 7))
    for name, comment in (
        ("one comment in 4M pieces", b"\x21\xfe" + b"\1a" * 4_000_000 + b"\0"),
        ("1M comments", b"\x21\xfe\1a\0" * 1_000_000),
    ):
        yield Upload("slow", f"GIF, {name}", gif[:after] + comment + gif[after:])
    yield Upload("slow", "JPEG, 10 000 scans", scan[:-2] + scan[scan.rfind(b"\xff\xda") : -2] * 10_000 + b"\xff\xd9")
    yield Upload("slow", "PNG, 800 000 chunks", png(64, 64, (b"abCd", b""), times=800_000))
    yield Upload("slow", "JPEG, 2M segments", b"\xff\xd8" + b"\xff\xe5\0\2" * 2_000_000 + encoded("JPEG")[2:])
    frames = [Image.new("P", (32, 32), number % 250) for number in range(1000)]
    for kind in ("GIF", "PNG", "WEBP"):
        yield Upload("slow", f"{kind}, 1000 frames", _saved(frames, kind))


def _polyglots() -> Iterator[Upload]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/cron.d/x", "* * * * * root true")
    told = Image.Exif()
    told[0x010E] = "<script>alert(1)</script>"
    jpeg = encoded("JPEG")
    yield Upload(
        "polyglot", "GIF and JavaScript", encoded("GIF", "P").replace(b"GIF89a", b"GIF89a") + b"*/=1;alert(1)//"
    )
    yield Upload("polyglot", "JPEG and ZIP", jpeg + buffer.getvalue())
    yield Upload("polyglot", "PDF and JPEG", b"%PDF-1.7\n" + jpeg)
    yield Upload("polyglot", "JPEG and PDF", jpeg_with(0xFE, b"", b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>"))
    yield Upload("polyglot", "HTML in EXIF", encoded("JPEG", exif=told), "text/html")
    yield Upload(
        "polyglot", "PHP in a PNG", png(64, 64, (b"tEXt", b"Comment\0<?php system($_GET[0]); ?>")), "text/x-php"
    )
    for value in (0, 9, 255, 65535):
        turned = Image.Exif()
        turned[0x0112] = value
        yield Upload("polyglot", f"orientation {value}", encoded("JPEG", exif=turned))
    loop = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\x08\0\0\0"
    yield Upload("polyglot", "EXIF that leads to itself", png(64, 64, (b"eXIf", loop)))


def _other_files() -> Iterator[Upload]:
    files = {
        "empty": b"",
        "text": b"I am a picture, believe me.\n" * 20,
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>1</script></svg>',
        "SVG of entities": b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 9999 + b'">]><svg>' + b"&a;" * 9999 + b"</svg>",
        "HTML": b"<html><script>alert(1)</script></html>",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) (r) file\nshowpage\n",
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj\ntrailer<<>>",
        "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9999, 9999, 8, 3) + bytes(99),
        "ICO": encoded("ICO", "RGBA"),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
        "MP4": b"\0\0\0\x18ftypmp42" + bytes(200),
        "ZIP": b"PK\3\4" + bytes(99),
        "Python": b"import os; os.system('true')\n",
        "ELF": b"\x7fELF" + bytes(99),
        "XBM": b"#define x_width 99999\n#define x_height 99999\nstatic char x_bits[] = {0};",
        "PPM": b"P6 60000 60000 255\n",
    }
    for name, content in files.items():
        for claims in ("image/png", "image/svg+xml", "application/octet-stream"):
            yield Upload("another kind of file", name, content, claims)


def _odd_images() -> Iterator[Upload]:
    for kind, modes in {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "CMYK"),
        "GIF": ("L", "1"),
    }.items():
        for mode in modes:
            yield Upload("odd but good", f"{kind} {mode}", encoded(kind, mode))
    for name, content in good().items():
        yield Upload("odd but good", name, content, "application/x-msdownload")


def _cut() -> Iterator[Upload]:
    for name, content in good().items():
        places = sorted({*range(1, 48), *(len(content) * part // 24 for part in range(1, 24)), len(content) - 1})
        for place in places:
            yield Upload("truncated", f"{name} after {place}", content[:place])


def png(width: int, height: int, extra: tuple[bytes, bytes] | None = None, times: int = 1, idat: bytes = b"") -> bytes:
    """A PNG that claims any size, with ``times`` further chunks; its pixels are whole where ``idat`` is not given."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", idat or zlib.compress(bytes(height * (3 * width + 1))))
    return _SIGNATURES["png"][:8] + head + (chunk(*extra) * times if extra else b"") + pixels + chunk(b"IEND", b"")


def jpeg_with(marker: int, head: bytes, body: bytes) -> bytes:
    """A JPEG without JFIF header (so that Pillow looks for the density in its EXIF) and with segments of ``body``."""
    pieces = [body[at : at + 65_000] for at in range(0, len(body), 65_000)]
    segments = (struct.pack(">BBH", 0xFF, marker, 2 + len(head + piece)) + head + piece for piece in pieces)
    return b"\xff\xd8" + b"".join(segments) + encoded("JPEG")[20:]


def _exif(entries: int, size: int) -> bytes:
    """EXIF whose every entry is the same ``size`` bytes: readers copy them once for each."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", entries)
    return (head + b"".join(struct.pack("<HHLL", 300 + at, 1, size - 8, 8) for at in range(entries))).ljust(size, b"\0")


def _noise(size: tuple[int, int], seed: int) -> Image.Image:
    return Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))


def _tiff_claiming(tiff: bytes, tag: int, value: int) -> bytes:
    """The little-endian TIFF with another number in its directory."""
    at = struct.unpack_from("<I", tiff, 4)[0]
    entries = range(at + 2, at + 2 + 12 * struct.unpack_from("<H", tiff, at)[0], 12)
    place = next(entry for entry in entries if struct.unpack_from("<H", tiff, entry)[0] == tag)
    return tiff[: place + 2] + struct.pack("<HII", 4, 1, value) + tiff[place + 12 :]


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _saved(frames: list[Image.Image], kind: str) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()
