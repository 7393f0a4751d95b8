import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tasks.clip.encoder import Encoder
from tasks.clip.folder import load_model, save_model
from tasks.schema.errors import CatalogError
from tests.clip_shapes import TINY_RESNET, TINY_VIT, make_model, picture, shapes


@pytest.fixture(scope="module", params=["vit", "resnet"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp(request.param), TINY_VIT if request.param == "vit" else TINY_RESNET)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return Encoder.load(folder, device="cpu")


def odd_pictures() -> list[bytes]:
    """Pictures whose sides, modes and aspect differ from the model's."""
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
    pictures, texts = odd_pictures() + shapes(8).images, ["a red sofa", "", "Stuhl aus Eiche", "x " * 100]
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.open(io.BytesIO(data))) for data in pictures])
        images = model.eval().encode_image(batch, normalize=True).numpy()
        words = model.encode_text(tokenize(texts), normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_images(pictures), images, atol=1e-4)
    np.testing.assert_allclose(encoder.encode_texts(texts), words, atol=1e-4)


def test_vectors_are_unit_float32_in_order(encoder: Encoder) -> None:
    data = shapes(10)
    vectors = encoder.encode_images(data.images, batch_size=3)
    assert vectors.dtype == np.float32 and vectors.shape == (10, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1])
    assert encoder.encode_texts([]).shape == (0, encoder.dim)
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    assert (encoder.image_size, encoder.precision) == (32, "fp32")
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)


def test_a_picture_s_vector_does_not_depend_on_its_neighbours(encoder: Encoder) -> None:
    pictures = shapes(33).images
    together = encoder.encode_images(pictures, batch_size=33)
    alone = encoder.encode_images(pictures, batch_size=1)
    uneven = encoder.encode_images(pictures[::-1], batch_size=7)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, uneven, atol=1e-5)


def test_bytes_and_pictures_are_the_same(encoder: Encoder) -> None:
    data = shapes(3).images
    opened = [Image.open(io.BytesIO(entry)) for entry in data]
    np.testing.assert_array_equal(encoder.encode_images(data), encoder.encode_images(opened))


def test_transparent_is_white_and_a_turned_photograph_is_upright(encoder: Encoder) -> None:
    shape = Image.open(io.BytesIO(picture("red", "triangle", "white")))
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
    assert names == ["item-0", "item-1", "item-2", "item-3"] and vectors.shape == (4, encoder.dim)
    assert len(taken) <= 12
    rest = list(stream)
    assert [name for part, _ in rest for name in part] == [f"item-{row}" for row in range(4, 40)]
    np.testing.assert_allclose(
        np.concatenate([vectors, *(part for _, part in rest)]), encoder.encode_images(data.images), atol=1e-5
    )


def test_a_broken_picture_is_named(encoder: Encoder) -> None:
    good = shapes(2).images
    with pytest.raises(CatalogError, match="picture sku-7"):
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
        pictures = [pool.submit(encoder.encode_images, data) for _ in range(6)]
        queries = [pool.submit(encoder.encode_texts, texts) for _ in range(6)]
        for future in pictures:
            np.testing.assert_allclose(future.result(), images, atol=1e-5)
        for future in queries:
            np.testing.assert_allclose(future.result(), words, atol=1e-5)


def test_bf16_vectors_are_near(folder: Path, encoder: Encoder) -> None:
    data = shapes(8).images
    rough = Encoder.load(folder, device="cpu", precision="bf16").encode_images(data)
    assert rough.dtype == np.float32
    assert (rough * encoder.encode_images(data)).sum(1).min() > 0.99
