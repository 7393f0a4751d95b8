"""Uploads in decoders of their own: what an image may cost is bounded, whatever its bytes are."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms

from app.errors import BadImage, Busy
from app.main import create_app
from app.query.uploads import Uploads
from app.serving.snapshot import ReleaseFiles
from app.settings import AppSettings
from tasks.catalog.images import ImageLimits, normalise

if TYPE_CHECKING:
    from tests.conftest import TinyShop


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_of_many_gigabytes() -> bytes:
    """A PNG whose EXIF has 3000 entries, each of them the same 9 MB."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", 3000)
    entries = b"".join(struct.pack("<HHLL", 300 + entry, 1, 8_000_000, 8) for entry in range(3000))
    exif = (head + entries).ljust(9_000_000, b"\0")
    png = encoded(Image.new("RGB", (64, 64), "red"), "PNG")
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    return png[:33] + chunk + png[33:]  # after IHDR


def comments_of_minutes() -> bytes:
    """A GIF whose comment comes in four million pieces: each is put behind all before it."""
    gif = encoded(Image.new("P", (64, 64)), "GIF")
    after = 13 + 3 * (2 << (gif[10] & 7))
    return gif[:after] + b"\x21\xfe" + b"\x01a" * 4_000_000 + b"\0" + gif[after:]


def scans_of_minutes() -> bytes:
    """A progressive JPEG of 36 million pixels that are gone over some ten thousand times."""
    jpeg = encoded(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    return jpeg[:-2] + jpeg[jpeg.rfind(b"\xff\xda") : -2] * 10_000 + b"\xff\xd9"


@pytest.fixture(scope="module")
def uploads() -> Iterator[Uploads]:
    made = Uploads(AppSettings(decoders=1, decode_seconds=2.0))
    yield made
    made.close()


def test_memory_beyond_the_limit_is_refused() -> None:
    uploads = Uploads(AppSettings(decoders=1, decode_seconds=120))  # or a slow machine runs out of time first
    try:
        with pytest.raises(BadImage, match="too much memory") as raised:
            uploads.decode(exif_of_many_gigabytes())
        assert raised.value.status == 413
        assert uploads.decode(encoded(Image.new("RGB", (64, 48)), "JPEG")).size == (64, 48), "the next one is decoded"
    finally:
        uploads.close()


@pytest.mark.parametrize("make", [comments_of_minutes, scans_of_minutes])
def test_an_image_that_takes_minutes_is_refused_when_its_time_is_up(uploads: Uploads, make: object) -> None:
    with pytest.raises(BadImage, match="takes more than 2 s"):
        uploads.decode(make())  # type: ignore[operator]
    assert uploads.decode(encoded(Image.new("RGB", (64, 48)), "PNG")).size == (64, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_the_largest_image_allowed_fits_and_comes_back_small(kind: str) -> None:
    uploads = Uploads(AppSettings(decoders=1, decode_seconds=120, max_upload_mb=200))
    mode = "RGB" if kind == "JPEG" else "RGBA"
    options = {"speed": 10} if kind == "AVIF" else {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    image = uploads.decode(encoded(Image.new(mode, (8000, 5000), "#c83020"), kind, **options))
    assert image.size == (320, 200) and image.mode == "RGB"
    assert all(abs(a - b) < 12 for a, b in zip(image.getpixel((160, 100)), (200, 48, 32), strict=True))
    uploads.close()


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I"), ("TIFF", "F")])
def test_the_largest_deep_grey_fits_too(kind: str, mode: str) -> None:
    uploads = Uploads(AppSettings(decoders=1, decode_seconds=120))
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    value = 0.5 if mode == "F" else 0x8000
    image = uploads.decode(encoded(Image.new(mode, (8000, 5000), value), kind, **options))
    assert image.getpixel((9, 9)) == (128, 128, 128)
    uploads.close()


def as_stored(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(normalise(content, ImageLimits()).jpeg)).convert("RGB")


def wide_gamut() -> bytes:
    """A profile whose red and green are swapped: nobody can overlook whether it is applied."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = (profile[tags[name] + 4 : tags[name] + 12] for name in (b"rXYZ", b"gXYZ"))
    profile[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 12], profile[tags[b"gXYZ"] + 4 : tags[b"gXYZ"] + 12] = green, red
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")).replace(b"sRGB", b"wide")


def product_files() -> dict[str, bytes]:
    ramp = Image.linear_gradient("L").resize((400, 300))
    color = Image.merge("RGB", (ramp, ramp.rotate(90).resize((400, 300)), ramp.transpose(Image.Transpose.ROTATE_180)))
    frames = [color, Image.new("RGB", color.size, "blue")]
    deep = Image.fromarray(np.linspace(0, 65535, 400 * 300).astype(np.uint16).reshape(300, 400))
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = color.copy()
    clear.putalpha(ramp)
    return {
        "large JPEG": encoded(color.resize((1600, 1200)), "JPEG", exif=turned),
        "small JPEG": encoded(color.resize((200, 150)), "JPEG"),
        "JPEG without its end": encoded(color, "JPEG")[:-2],
        "profile": encoded(color, "JPEG", icc_profile=wide_gamut()),
        "CMYK": encoded(color.convert("CMYK"), "JPEG"),
        "16-bit PNG": encoded(deep, "PNG"),
        "16-bit TIFF": encoded(deep, "TIFF"),
        "AVIF": encoded(color, "AVIF"),
        "mif1": encoded(color, "AVIF").replace(b"ftypavif", b"ftypmif1"),
        "TIFF": encoded(color, "TIFF"),
        "BMP": encoded(color, "BMP"),
        "transparent": encoded(clear, "PNG"),
        "palette": encoded(color.convert("P"), "PNG", transparency=3),
        **{f"animated {kind}": _animated(frames, kind) for kind in ("GIF", "WEBP", "PNG", "AVIF")},
    }


def _animated(frames: list[Image.Image], kind: str) -> bytes:
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def test_a_product_s_own_file_gives_the_pixels_of_its_item(uploads: Uploads) -> None:
    for name, content in product_files().items():
        asked, stored = uploads.decode(content), as_stored(content)
        assert asked.size == stored.size and asked.tobytes() == stored.tobytes(), name
    plain, wide = (uploads.decode(product_files()[name]) for name in ("BMP", "profile"))
    red, green, _ = plain.split()
    assert ImageChops.difference(wide.getchannel(0), green).getextrema()[1] < 32, "the profile is applied"
    assert ImageChops.difference(wide.getchannel(1), red).getextrema()[1] < 32


def test_an_upload_has_the_side_of_the_release_s_images() -> None:
    sides = iter((128, 512))
    uploads = Uploads(AppSettings(decoders=1), side=lambda: next(sides))
    content = encoded(Image.new("RGB", (900, 600)), "PNG")
    assert [uploads.decode(content).width for _ in range(2)] == [128, 512]
    uploads.close()


@pytest.mark.parametrize("size", [(8, 4_000_000), (4_000_000, 8), (7, 7), (1, 60_000)])
def test_a_strip_is_not_scaled_up_to_the_models_size(uploads: Uploads, size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match=r"too (thin|few)"):
        uploads.decode(encoded(Image.new("L", size), "PNG"))


def test_orientation_is_heeded_and_damaged_exif_is_not(uploads: Uploads) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert uploads.decode(encoded(Image.new("RGB", (64, 32)), "JPEG", exif=turned)).size == (32, 64)
    assert uploads.decode(encoded(Image.new("RGB", (64, 32)), "PNG", exif=turned)).size == (32, 64)
    damaged = b"Exif\0\0II*\0\xff\xff\xff\xff"
    assert uploads.decode(encoded(Image.new("RGB", (64, 32)), "JPEG", exif=damaged)).size == (64, 32)


@pytest.mark.parametrize(
    "content",
    [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n", b"8BPS\0\1" + b"\0" * 60, b"\0\0\1\0" * 30],
    ids=["EPS", "PSD", "ICO"],
)
def test_only_the_listed_formats_are_tried(uploads: Uploads, content: bytes) -> None:
    with pytest.raises(BadImage, match="another kind of file"):
        uploads.decode(content)


def test_a_decoder_holds_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-decoders")
    uploads = Uploads(AppSettings(decoders=1))
    uploads.decode(encoded(Image.new("RGB", (64, 48)), "PNG"))
    decoder = uploads._free.get()
    assert decoder is not None
    assert b"not-for-decoders" not in Path(f"/proc/{decoder._process.pid}/environ").read_bytes()
    decoder.close()


def test_where_every_decoder_is_at_work_the_next_is_told_so() -> None:
    uploads = Uploads(AppSettings(decoders=1, decode_seconds=1.0))
    uploads.decode(encoded(Image.new("RGB", (64, 48)), "PNG"))
    faults: list[Exception] = []

    def send() -> None:
        try:
            uploads.decode(comments_of_minutes())
        except (BadImage, Busy) as error:
            faults.append(error)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert {type(fault) for fault in faults} == {BadImage, Busy}
    uploads.close()


def test_the_live_release_says_which_side_its_images_have(tiny_store: TinyShop) -> None:
    app = create_app(AppSettings(device="cpu", decoders=1), tiny_store.settings)
    app.state.live.check()
    snapshot, uploads = app.state.live.pool.current, app.state.search.uploads
    content = encoded(Image.new("RGB", (900, 600)), "PNG")
    assert snapshot.picture_side == 320 and uploads.decode(content).width == 320
    manifests = dict(snapshot.files.manifests)
    manifests["catalog"] = manifests["catalog"].model_copy(update={"parameters": {"picture_side": 64}})
    app.state.live.pool.relabel(lambda one: replace(one, files=ReleaseFiles(one.files.folders, manifests)))
    assert uploads.decode(content).width == 64
    app.state.live.stop()
    uploads.close()
