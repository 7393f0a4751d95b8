"""Decoding in processes of their own, as an encoder beside a GPU does it; here the encoder computes on the CPU."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.clip import device as clip_device
from tasks.clip import encoder as clip_encoder
from tasks.clip.config import GPU_SHARD_SIZE, SHARD_SIZE, EmbedConfig
from tasks.clip.decode_host import batch_result
from tasks.clip.decoding import DecodePool, ImageSource
from tasks.clip.encoder import Encoder
from tasks.clip.images import PixelReader
from tasks.schema.errors import ArtifactMissing, CatalogError, StoreUnavailable, TransientError
from tasks.stages.embedding import shard_size
from tests.clip.shapes import TINY_VIT, make_model, shapes
from tests.cluster.ray_cluster import alive, descendants, until

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux only: elsewhere threads decode")
NAMES = [f"{number:03d}" for number in range(50)]


def reader(place: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """What a worker reads with: files of a folder."""

    def read(names: Sequence[str]) -> Iterator[bytes]:
        for name in names:
            yield Path(place, name).read_bytes()

    return read


def broken_reader(place: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """It cannot even be opened."""
    raise RuntimeError(f"{place} cannot be opened")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    folder = tmp_path_factory.mktemp("images")
    for name, data in zip(NAMES, shapes(len(NAMES)).images, strict=True):
        (folder / name).write_bytes(data)
    (folder / "torn").write_bytes(b"\xff\xd8 no picture")
    return ImageSource(reader(str(folder)), reader, str(folder))


@pytest.fixture(scope="module")
def pixels() -> PixelReader:
    return PixelReader({}, (32, 32))


def cut(names: list[str], size: int = 8) -> list[list[str]]:
    return [names[row : row + size] for row in range(0, len(names), size)]


def test_pixels_are_those_decoded_here_and_nothing_outlives_the_pool(source: ImageSource, pixels: PixelReader) -> None:
    pool = DecodePool(pixels, source, batch_size=8, processes=2)
    pool.wait()
    processes = [pool._host.pid, *descendants(pool._host.pid)]
    assert len(processes) == 3
    for names in (NAMES, NAMES[:3], []):
        found = [(batch, part.copy()) for batch, part in pool.decoded(cut(names))]
        assert [name for batch, _ in found for name in batch] == names
        expected = [pixels.pixels(data) for data in source.read(names)]
        for row, part in enumerate(part for _, parts in found for part in parts):
            np.testing.assert_array_equal(part, expected[row])
    del pool  # the last reference
    until(lambda: not any(map(alive, processes)), seconds=20.0)


def test_an_image_that_cannot_be_read_is_named_and_the_pool_ends(source: ImageSource, pixels: PixelReader) -> None:
    pool = DecodePool(pixels, source, batch_size=8, processes=1)
    pool.wait()
    processes = [pool._host.pid, *descendants(pool._host.pid)]
    assert len(processes) == 2
    with pytest.raises(CatalogError, match="torn"):
        list(pool.decoded(cut([*NAMES[:20], "torn", *NAMES[20:]])))
    assert not pool.alive  # what was under way is no answer to the next
    until(lambda: not any(map(alive, processes)), seconds=20.0)


@pytest.mark.parametrize(
    ("raised", "answer"),
    [
        (ArtifactMissing("no image"), {"error": "ArtifactMissing", "message": "no image"}),
        (StoreUnavailable("busy"), {"error": "StoreUnavailable", "message": "busy"}),
        (ZeroDivisionError("a defect"), {"error": "ProductSearchError", "message": "ZeroDivisionError: a defect"}),
        (None, {"error": None}),
    ],
)
def test_an_error_keeps_the_class_that_says_whether_to_retry(raised: Exception | None, answer: dict[str, Any]) -> None:
    done: Future[None] = Future()
    done.set_exception(raised) if raised else done.set_result(None)
    assert batch_result([done]) == answer


def test_a_killed_worker_is_a_transient_error(source: ImageSource, pixels: PixelReader) -> None:
    pool = DecodePool(pixels, source, batch_size=2, processes=1)
    found = pool.decoded(cut(NAMES, 2))
    next(found)
    os.kill(next(descendants(pool._host.pid)), signal.SIGKILL)
    with pytest.raises(TransientError, match="ended"):
        list(found)
    pool.close()


def test_an_encoder_decodes_by_processes_once_they_run(
    source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = beside_a_gpu(tmp_path, monkeypatch)
    expected = encoder.encode_images(list(source.read(NAMES)))
    list(encoder.embed_stored(NAMES[:4], source, 16))
    assert encoder._pool is None  # few images
    stream = encoder.embed_stored(NAMES, source, 16)  # begun by threads, ended by processes
    found = [next(stream), next(stream)]
    assert encoder._pool is not None
    assert not encoder._pool.ready
    encoder._pool.wait()
    monkeypatch.setattr(encoder, "embed", None)
    for batches in ([*found, *stream], list(encoder.embed_stored(NAMES, source, 16))):
        assert [len(names) for names, _ in batches] == [16, 16, 16, 2]
        assert [name for names, _ in batches for name in names] == NAMES
        np.testing.assert_allclose(np.concatenate([part for _, part in batches]), expected, atol=1e-5)
    encoder._pool.close()


def test_threads_decode_where_processes_cannot_start(
    source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = beside_a_gpu(tmp_path, monkeypatch)
    broken = ImageSource(source.read, broken_reader, source.place)
    for _ in range(2):
        assert sum(len(names) for names, _ in encoder.embed_stored(NAMES, broken, 16)) == len(NAMES)
        if encoder._pool is not None:
            encoder._pool.wait()
    assert encoder.decode_pool(broken, 16) is None
    assert "cannot be opened" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("device", "settings", "expected"),
    [
        ("cpu", {}, SHARD_SIZE),
        ("cuda", {}, GPU_SHARD_SIZE),
        ("cuda", {"shard_size": 7}, 7),
        ("cpu", {"compute": {"engine": "ray"}}, SHARD_SIZE),
        ("cpu", {"compute": {"engine": "ray", "gpus_per_worker": 0.5}}, GPU_SHARD_SIZE),
        ("cuda", {"compute": {"engine": "ray", "gpus_per_worker": 0}}, SHARD_SIZE),
    ],
)
def test_a_shard_is_large_where_a_gpu_computes(
    device: str, settings: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_device, "choose_device", lambda: torch.device(device))
    assert shard_size(EmbedConfig.model_validate(settings)) == expected
    assert GPU_SHARD_SIZE >= clip_encoder._MIN_IMAGES_FOR_PROCESSES > SHARD_SIZE


def beside_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """An encoder that believes to be on a GPU, with eight cores."""
    encoder = Encoder.load(make_model(folder / "model", TINY_VIT), device="cpu")
    monkeypatch.setattr(clip_encoder, "_MIN_IMAGES_FOR_PROCESSES", 10)
    monkeypatch.setattr(clip_encoder, "_threads_suffice", lambda device, workers: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return encoder
