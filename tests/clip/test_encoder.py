import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.clip import images as clip_images
from tasks.clip.device import autocast
from tasks.clip.encoder import Encoder
from tasks.clip.folder import load_model, save_model
from tasks.clip.images import PixelReader, open_image
from tasks.schema.errors import CatalogError
from tests.clip.shapes import TINY_RESNET, TINY_VIT, make_model, shape_image, shapes


@pytest.fixture(scope="module", params=["vit", "resnet"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp(request.param), TINY_VIT if request.param == "vit" else TINY_RESNET)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return Encoder.load(folder, device="cpu")


BIG = 4  # of the odd images, by position


def odd_images() -> list[bytes]:
    """Images whose sides, modes and aspect differ from the model's."""
    random = np.random.default_rng(3)
    made = []
    for mode, size in (("RGB", (50, 120)), ("RGB", (31, 33)), ("L", (64, 40)), ("CMYK", (70, 70)), ("RGB", (300, 200))):
        pixels = random.integers(0, 255, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=95)
        made.append(buffer.getvalue())
    return made


def test_vectors_are_those_of_open_clip_s_own_pipeline(folder: Path, encoder: Encoder) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    jpegs, texts = odd_images() + shapes(8).images, ["a red sofa", "", "Stuhl aus Eiche", "x " * 100]
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.open(io.BytesIO(data))) for data in jpegs])
        images = model.eval().encode_image(batch, normalize=True).numpy()
        words = model.encode_text(tokenize(texts), normalize=True).numpy()
    found = encoder.encode_images(jpegs)
    # resized by other code, every eighth value of a pixel differs by one level of 255
    np.testing.assert_allclose(np.delete(found, BIG, axis=0), np.delete(images, BIG, axis=0), atol=3e-4)
    assert 1 - found[BIG] @ images[BIG] < 1e-2  # decoded at a quarter of its size
    np.testing.assert_allclose(encoder.encode_texts(texts), words, atol=1e-4)


def test_vectors_are_unit_float32_in_order(encoder: Encoder) -> None:
    data = shapes(10)
    vectors = encoder.encode_images(data.images, batch_size=3)
    assert vectors.dtype == np.float32
    assert vectors.shape == (10, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1])
    assert encoder.encode_texts([]).shape == (0, encoder.dim)
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    assert (encoder.image_size, encoder.precision) == (32, "fp32")
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)


def test_an_image_s_vector_does_not_depend_on_its_neighbours(encoder: Encoder) -> None:
    images = shapes(33).images
    together = encoder.encode_images(images, batch_size=33)
    alone = encoder.encode_images(images, batch_size=1)
    uneven = encoder.encode_images(images[::-1], batch_size=7)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, uneven, atol=1e-5)


def test_bytes_and_images_are_the_same(encoder: Encoder) -> None:
    data = shapes(3).images
    opened = [Image.open(io.BytesIO(entry)) for entry in data]
    np.testing.assert_array_equal(encoder.encode_images(data), encoder.encode_images(opened))


def test_transparent_is_white_and_a_turned_photograph_is_upright(encoder: Encoder) -> None:
    shape = Image.open(io.BytesIO(shape_image("red", "triangle", "white")))
    clear = shape.convert("RGBA")
    clear.putdata([(0, 0, 0, 0) if min(pixel[:3]) > 240 else pixel for pixel in clear.get_flattened_data()])
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    shape.rotate(90).save(turned, "JPEG", quality=95, exif=exif)
    plain, white, upright = encoder.encode_images([shape, clear, turned.getvalue()])
    assert plain @ white > 0.99
    assert plain @ upright > plain @ encoder.encode_images([shape.rotate(90)])[0]


def test_embed_streams_names_and_reads_little_ahead(encoder: Encoder) -> None:
    data, taken = shapes(40), []

    def source() -> Iterator[tuple[str, bytes]]:
        for row, image in enumerate(data.images):
            taken.append(row)
            yield f"item-{row}", image

    stream = encoder.embed(source(), batch_size=4)
    names, vectors = next(stream)
    assert names == ["item-0", "item-1", "item-2", "item-3"]
    assert vectors.shape == (4, encoder.dim)
    assert len(taken) <= 12
    rest = list(stream)
    assert [name for part, _ in rest for name in part] == [f"item-{row}" for row in range(4, 40)]
    np.testing.assert_allclose(
        np.concatenate([vectors, *(part for _, part in rest)]), encoder.encode_images(data.images), atol=1e-5
    )


def test_a_broken_image_is_named(encoder: Encoder) -> None:
    good = shapes(2).images
    with pytest.raises(CatalogError, match="image sku-7"):
        list(encoder.embed([("sku-6", good[0]), ("sku-7", good[1][:200])]))


def test_non_finite_vectors_are_refused_by_name(tmp_path: Path) -> None:
    model, config = load_model(make_model(tmp_path / "tiny", TINY_VIT))
    with torch.no_grad():
        model.visual.proj.mul_(1e38)
        model.visual.ln_post.weight.mul_(1e38)
    save_model(model, config, tmp_path / "huge")
    encoder = Encoder.load(tmp_path / "huge", device="cpu")
    with pytest.raises(CatalogError, match="'sku-1'"):
        list(encoder.embed([("sku-1", shapes(1).images[0])]))


def test_many_threads_get_the_same_vectors(encoder: Encoder) -> None:
    data, texts = shapes(16).images, [kinds["title"] for kinds in shapes(16).captions]
    images, words = encoder.encode_images(data), encoder.encode_texts(texts)
    with ThreadPoolExecutor(6) as pool:
        image_futures = [pool.submit(encoder.encode_images, data) for _ in range(6)]
        queries = [pool.submit(encoder.encode_texts, texts) for _ in range(6)]
        for future in image_futures:
            np.testing.assert_allclose(future.result(), images, atol=1e-5)
        for future in queries:
            np.testing.assert_allclose(future.result(), words, atol=1e-5)


def test_bf16_vectors_are_near(folder: Path, encoder: Encoder) -> None:
    data = shapes(8).images
    rough = Encoder.load(folder, device="cpu", precision="bf16").encode_images(data)
    assert rough.dtype == np.float32
    assert (rough * encoder.encode_images(data)).sum(1).min() > 0.99


class _Casts(TorchDispatchMode):
    """Counts conversions of what has as many numbers as a weight matrix or more."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers, self.count = numbers, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default and args[0].numel() >= self.numbers:
            self.count += 1
        return func(*args, **(kwargs or {}))


def test_no_batch_converts_the_weights_again(tmp_path: Path) -> None:
    encoder = Encoder.load(make_model(tmp_path, TINY_VIT), device="cpu", precision="bf16")
    weight = encoder._model.transformer.resblocks[0].mlp.c_fc.weight
    with torch.no_grad(), _Casts(weight.numel()) as casts, autocast("bf16", encoder.device):
        encoder._model.encode_text(torch.zeros(1, 16, dtype=torch.int64))  # has fewer numbers than the weight
    assert casts.count == 0
    weight.data = weight.data.float()
    with torch.no_grad(), _Casts(weight.numel()) as casts, autocast("bf16", encoder.device):
        encoder._model.encode_text(torch.zeros(1, 16, dtype=torch.int64))
    assert casts.count == 1  # so that the count above can fail


def test_the_forward_pass_sees_full_batches(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, encode = [], encoder._encode_pixels

    def counted(pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(encoder, "_encode_pixels", counted)
    names = [str(row) for row in range(22)]
    list(encoder.embed(zip(names, shapes(22).images, strict=True), batch_size=8, threads=1))
    assert sizes == [8, 8, 6]


def test_a_batch_that_memory_does_not_hold_is_halved(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, encode = [], encoder._encode_pixels

    def short_of_memory(pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        if len(pixels) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return encode(pixels)

    data = shapes(9).images
    expected = encoder.encode_images(data, batch_size=2)
    monkeypatch.setattr(encoder, "_encode_pixels", short_of_memory)
    np.testing.assert_allclose(encoder.encode_images(data), expected, atol=1e-5)
    assert sizes == [9, 5, 3, 2, 4, 2, 2]


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (50, 120), (31, 33)])
def test_pixels_are_those_of_open_clip_s_transform(mode: str, shape: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8))
    settings = PreprocessCfg(size=(64, 64), resize_mode=mode)
    *geometry, _, _ = image_transform_v2(settings, is_train=False).transforms
    expected = image
    for step in geometry:
        expected = step(expected)
    found = PixelReader({"resize_mode": mode}, (64, 64)).pixels(image)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 3  # levels of 255


@pytest.mark.parametrize(("side", "decoded"), [(320, 320), (640, 640), (700, 350), (1500, 375), (3000, 375)])
def test_a_large_jpeg_is_decoded_no_larger_than_needed(
    side: int, decoded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer, seen = io.BytesIO(), []
    Image.new("RGB", (side, side), "red").save(buffer, "JPEG")

    def watched(image: bytes, least: int = 0) -> Image.Image:
        seen.append(open_image(image, least))
        return seen[-1]

    monkeypatch.setattr(clip_images, "open_image", watched)
    assert PixelReader({}, (224, 224)).pixels(buffer.getvalue()).shape == (224, 224, 3)
    assert seen[0].size == (decoded, decoded)
