"""Images of a shop: what is read, how it is read, and why the rest is refused."""

import hashlib
import io
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from tasks.catalog.image_kinds import recognise
from tasks.catalog.image_repair import repaired
from tasks.catalog.images import ImageFault, ImageLimits, normalise
from tasks.schema.tables import REJECT_REASONS

LIMITS = ImageLimits(max_bytes=2_000_000, max_pixels=10_000_000, side=96)


def encode(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def photo(width: int = 120, height: int = 80) -> Image.Image:
    """Smooth colours with a red square at the top left, so that turning it shows."""
    across, down = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    image = Image.fromarray(np.stack([across, down, 200 - across], axis=-1).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), fill=(250, 10, 10))
    return image


def stored(data: bytes, limits: ImageLimits = LIMITS) -> Image.Image:
    """The stored image, after checking everything that is promised of any."""
    normalised = normalise(data, limits)
    image = Image.open(io.BytesIO(normalised.jpeg))
    image.load()
    assert image.format == "JPEG" and image.mode == "RGB"
    assert max(image.size) <= limits.side
    assert image.size == (normalised.width, normalised.height)
    assert normalised.sha256 == hashlib.sha256(normalised.jpeg).hexdigest()
    assert normalised.source_sha256 == hashlib.sha256(data).hexdigest()
    return image


def near(pixel: object, wanted: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(np.subtract(pixel, wanted)).max() <= tolerance)  # type: ignore[call-overload]


def fault(data: bytes, limits: ImageLimits = LIMITS) -> ImageFault:
    with pytest.raises(ImageFault) as caught:
        normalise(data, limits)
    assert caught.value.detail
    return caught.value


def test_a_small_plain_jpeg_is_kept_byte_for_byte() -> None:
    data = encode(photo(90, 60))
    assert normalise(data, LIMITS).jpeg is data
    progressive = encode(photo(90, 60), progressive=True)
    assert normalise(progressive, LIMITS).jpeg is progressive


def test_a_large_jpeg_shrinks_to_the_side_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    data = encode(photo(1200, 600), exif=exif, quality=95)
    image = stored(data)
    assert image.size == (96, 48)
    assert not image.getexif() and "icc_profile" not in image.info
    assert near(image.getpixel((5, 5)), (250, 10, 10), 20)
    assert image.layer[0][1:3] == (1, 1)  # type: ignore[attr-defined]  # 4:4:4: no colour resolution lost


def test_equal_bytes_give_equal_bytes() -> None:
    data = encode(photo(), "PNG")
    assert normalise(data, LIMITS).jpeg == normalise(data, LIMITS).jpeg


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_other_formats_become_rgb_jpeg(format: str) -> None:
    image = stored(encode(photo(), format))
    assert image.size == (96, 64)
    assert near(image.getpixel((5, 5)), (250, 10, 10), 25)
    assert near(image.getpixel((90, 60)), (188, 188, 12), 25)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = photo(90, 60)
    as_shot = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    image = stored(encode(as_shot, format, exif=exif, **options))
    assert image.size == (90, 60)
    assert near(image.getpixel((6, 6)), (250, 10, 10), 25)
    assert near(image.getpixel((85, 55)), upright.getpixel((85, 55)), 25)  # type: ignore[arg-type]


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    ImageDraw.Draw(clear).rectangle((20, 20, 40, 40), fill=(10, 200, 10, 255))
    palette = Image.new("P", (60, 60), 0)
    palette.putpalette([255, 0, 255, 10, 200, 10] + [0] * 762)
    ImageDraw.Draw(palette).rectangle((20, 20, 40, 40), fill=1)
    variants = {
        "RGBA": encode(clear, "PNG"),
        "WEBP": encode(clear, "WEBP", lossless=True),
        "LA": encode(clear.convert("LA"), "PNG"),
        "P": encode(palette, "PNG", transparency=0),
        "GIF": encode(palette, "GIF", transparency=0),
    }
    for name, data in variants.items():
        image = stored(data)
        assert near(image.getpixel((3, 3)), (255, 255, 255)), name
        if name != "LA":
            assert near(image.getpixel((30, 30)), (10, 200, 10), 25), name


def test_a_colour_key_is_transparent_too() -> None:
    image = Image.new("RGB", (60, 60), (255, 0, 255))
    ImageDraw.Draw(image).rectangle((20, 20, 40, 40), fill=(10, 200, 10))
    assert near(stored(encode(image, "PNG", transparency=(255, 0, 255))).getpixel((3, 3)), (255, 255, 255))


def png_of_16_bits(values: np.ndarray, color_type: int) -> bytes:
    """A PNG with 16 bits a channel, by hand: Pillow writes no RGB of that depth. ``values``: (h, w, channels)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_16_bits_a_channel_keep_their_brightness() -> None:
    grey = np.full((40, 40, 1), 0x4000)
    assert near(stored(png_of_16_bits(grey, 0)).getpixel((9, 9)), (64, 64, 64), 3)
    color = np.broadcast_to(np.array([0xFF00, 0x8000, 0x1000]), (40, 40, 3))
    assert near(stored(png_of_16_bits(color, 2)).getpixel((9, 9)), (255, 128, 16), 5)
    tiff = encode(Image.fromarray(np.full((40, 40), 0xC000, dtype=np.uint16)), "TIFF")
    assert near(stored(tiff).getpixel((9, 9)), (191, 191, 191), 3)


def test_cmyk_is_read_with_adobes_inversion() -> None:
    cyan = encode(Image.new("CMYK", (60, 60), (200, 0, 0, 0)))
    assert b"Adobe" in cyan
    assert near(stored(cyan).getpixel((9, 9)), (55, 255, 255))


def test_one_bit_and_grey_are_read() -> None:
    assert near(stored(encode(Image.new("1", (50, 50), 1), "PNG")).getpixel((9, 9)), (255, 255, 255))
    assert near(stored(encode(Image.new("L", (50, 50), 77))).getpixel((9, 9)), (77, 77, 77))


def test_a_wide_profile_is_converted_and_a_damaged_one_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(photo(90, 60), icc_profile=srgb)
    assert normalise(data, LIMITS).jpeg is data
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"no profile at all"):
        assert near(stored(encode(photo(90, 60), icc_profile=profile)).getpixel((6, 6)), (250, 10, 10), 25)


def test_a_jpeg_with_cargo_is_written_anew() -> None:
    data = encode(photo(90, 60)) + b"x" * 100_000
    assert len(normalise(data, LIMITS).jpeg) < 20_000


def test_a_photo_with_its_preview_is_not_animated() -> None:
    data = encode(photo(90, 60), "MPO", save_all=True, append_images=[photo(45, 30)])
    assert stored(data).size == (90, 60)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_read(format: str) -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "green", "blue")]
    image = stored(encode(frames[0], format, save_all=True, append_images=frames[1:]))
    assert near(image.getpixel((20, 20)), (255, 0, 0))


@pytest.mark.parametrize(
    ("box", "is_avif"),
    [
        (b"mif1\0\0\0\0avifmif1miafMA1B", True),
        (b"mif1\0\0\0\0mif1heic", False),
        (b"msf1\0\0\0\0avis", True),
        (b"heic\0\0\0\0mif1heic", False),
        (b"isom\0\0\0\0isomavc1", False),
    ],
)
def test_an_avif_is_known_by_any_of_its_brands(box: bytes, is_avif: bool) -> None:
    head = struct.pack(">I", 8 + len(box)) + b"ftyp" + box
    assert recognise(head + b"avif" * 9)[1] is is_avif


def test_an_avif_in_a_container_brand_is_read() -> None:
    data = encode(photo(), "AVIF")
    assert near(stored(data.replace(b"ftypavif", b"ftypmif1")).getpixel((5, 5)), (250, 10, 10), 25)


_JPEGS = {
    "baseline": {"subsampling": 0},
    "4:2:0": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "progressive, restarts": {"progressive": True, "restart_marker_rows": 2},
    "optimised": {"optimize": True},
}


@pytest.mark.parametrize("options", _JPEGS.values(), ids=_JPEGS)
@pytest.mark.parametrize("size", [(120, 80), (48, 48), (333, 201)])
def test_a_jpeg_that_lacks_only_its_end_mark_is_read_and_mended(options: dict, size: tuple[int, int]) -> None:
    limits = ImageLimits(side=400)
    data = encode(photo(*size), **options)
    whole = np.asarray(stored(data, limits))
    for cut in (1, 2):
        image = normalise(data[:-cut], limits)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(image.jpeg))), whole)
        assert image.source_sha256 == hashlib.sha256(data[:-cut]).hexdigest()
        assert repaired(data[:-cut], "JPEG") == data


@pytest.mark.parametrize("options", _JPEGS.values(), ids=_JPEGS)
def test_a_jpeg_that_lacks_pixels_is_never_taken_for_whole(options: dict) -> None:
    """Cut anywhere: also right behind a restart interval, and between two scans."""
    data = encode(photo(), quality=95, **options)
    restarts = [match.start() for match in re.finditer(rb"\xff[\xd0-\xd7\xda\xc4]", data[200:])]
    places = {*(200 + at + more for at in restarts for more in (0, 1, 2)), *range(200, len(data) - 3, 37)}
    places |= set(range(len(data) - 40, len(data) - 3))
    for place in places:
        assert repaired(data[:place], "JPEG") is None, place


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    found = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", found)


@pytest.mark.parametrize("name", [b"iCCP", b"tEXt", b"iTXt", b"pHYs", b"gAMA", b"eXIf", b"zzZz"])
@pytest.mark.parametrize("at", [33, -12], ids=["before the pixels", "behind them"])
def test_a_png_with_a_wrong_checksum_beside_its_pixels_is_read(name: bytes, at: int) -> None:
    data = encode(photo(), "PNG")
    wrong = data[:at] + chunk(name, b"k\0\0" * 3, checksum=7) + data[at:]
    assert normalise(wrong, LIMITS).jpeg == normalise(data, LIMITS).jpeg


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT"])
def test_a_png_with_a_wrong_checksum_of_its_pixels_is_refused_and_the_chunk_named(name: bytes) -> None:
    data = bytearray(encode(photo().convert("P"), "PNG"))
    at = data.index(name)
    size = struct.unpack(">I", data[at - 4 : at])[0]
    data[at + 4 + size] ^= 1
    found = fault(bytes(data))
    assert found.reason == "picture_unreadable" and f"{name.decode()} chunk" in found.detail


@pytest.mark.parametrize(("size", "words"), [((1, 1), "1 x 1"), ((7, 300), "7 x 300"), ((8, 900), "as long as wide")])
def test_an_image_on_which_nothing_can_be_seen_is_refused(size: tuple[int, int], words: str) -> None:
    found = fault(encode(Image.new("RGB", size), "GIF"))
    assert found.reason == "picture_too_small" and words in found.detail


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_cut_files_are_named_truncated(format: str, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (150, 200, 3), dtype=np.uint8))
    data = encode(noise, format)
    assert fault(data[: int(len(data) * kept)]).reason == "picture_truncated"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_nothing_but_a_header_is_truncated(format: str) -> None:
    assert fault(encode(photo(), format)[:24]).reason == "picture_truncated"


def test_a_damaged_middle_is_unreadable_or_cut() -> None:
    data = bytearray(encode(photo(), "PNG"))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\x55" * 40
    assert fault(bytes(data)).reason in ("picture_unreadable", "picture_truncated")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"\xef\xbb\xbf  \n<HTML><head></head></HTML>", "HTML"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<svg width="3"></svg>', "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\x03\x04....", "zip"),
        (b'{"error": "not found"}', "text"),
        ("BMW prices, größer und größer".encode(), "text"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    ],
)
def test_other_kinds_of_file_are_named(data: bytes, words: str) -> None:
    found = fault(data)
    assert found.reason == "picture_wrong_type" and words in found.detail


def test_empty_unknown_and_oversized_files() -> None:
    assert fault(b"").reason == "picture_empty"
    assert fault(bytes(range(128, 256)) * 20).reason == "picture_unreadable"
    assert fault(encode(photo()) + b"\0" * 2_000_000).reason == "picture_too_large"


def test_a_header_bomb_is_refused_before_decoding() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    ihdr = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    idat = b"IDAT" + zlib.compress(b"\0" * 1000)
    data = b"\x89PNG\r\n\x1a\n" + ihdr + struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    assert fault(data).reason == "picture_too_large"
    found = fault(encode(Image.new("L", (4000, 3000)), "PNG"))  # between our limit and Pillow's
    assert found.reason == "picture_too_large" and "4,000 x 3,000" in found.detail


@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]), st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_else(format: str, data: st.DataObject) -> None:
    """Whatever a shop serves is an image or a named fault."""
    raw = bytearray(encode(photo(40, 30), format))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    try:
        stored(bytes(raw))
    except ImageFault as found:
        assert found.reason in REJECT_REASONS and found.detail  # noqa: PT017 - either outcome is right
