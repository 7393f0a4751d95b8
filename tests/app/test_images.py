"""Product images in memory, bounded by their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.serving import images
from app.serving.images import ImageCache

if TYPE_CHECKING:
    from tests.conftest import TinyShop


def test_the_images_used_last_stay_and_their_bytes_are_bounded(
    tiny_store: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    monkeypatch.setattr(images, "read_image", lambda store, sha256: reads.append(sha256) or sha256.encode() * 4)
    cache = ImageCache(tiny_store.store, max_bytes=10)
    for sha256 in ("a", "b", "a", "c", "a"):  # "c" takes the place of "b", which is the longest unused
        assert cache.read(sha256) == sha256.encode() * 4
    assert reads == ["a", "b", "c"]
    assert cache.read("b") == b"bbbb" and reads[-1] == "b"
    assert cache.read("large" * 9) and cache.read("a") == b"aaaa" and reads[-1] != "a", "too large to displace others"
