"""Turns a stranger's upload into a picture, or says in one sentence why it is none."""

import io
import warnings

from PIL import Image, ImageOps

from app.errors import BadPicture

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_ADVICE = "Send a JPEG, PNG, WebP, GIF or BMP."


def decode_upload(content: bytes, max_bytes: int, max_pixels: int) -> Image.Image:
    """Decode an upload to an upright RGB picture (a GIF's first frame, transparency on white).

    Raises BadPicture: 413 where bytes or pixels exceed the limits, 422 otherwise. Never anything else.
    """
    if not content:
        raise BadPicture(f"The upload is empty. {_ADVICE}")
    if len(content) > max_bytes:
        raise BadPicture(
            f"The picture has {len(content) / 1e6:.1f} MB, the limit is {max_bytes / 1e6:g} MB. Send a smaller one.",
            413,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel warning: the limit below is ours, and lower
            return _decode(content, max_pixels)
    except BadPicture:
        raise
    except Image.DecompressionBombError:
        raise BadPicture(f"The picture has more than {max_pixels:,} pixels. Send a smaller one.", 413) from None
    except Exception:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error ... on hostile bytes: all mean the same
        raise BadPicture(
            f"The upload cannot be read as a picture: it is damaged, or another kind of file. {_ADVICE}"
        ) from None


def _decode(content: bytes, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        width, height = picture.size
        if width * height > max_pixels:  # known from the header, before a pixel is decoded
            raise BadPicture(
                f"The picture has {width} x {height} pixels, the limit is {max_pixels:,}. Send a smaller one.", 413
            )
        if min(width, height) < 8:
            raise BadPicture(
                f"The picture has {width} x {height} pixels: too few to recognise anything. Send a larger one."
            )
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
        return upright.convert("RGB")
