"""What encoding costs, counted rather than timed: arithmetic, copies of weights, slow resizing, images read twice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from tasks.clip.encoder import Encoder
from tasks.clip.folder import load_model
from tasks.clip.images import PixelReader
from tests.clip.shapes import TINY_VIT, make_model, shapes


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(make_model(tmp_path_factory.mktemp("vit"), TINY_VIT), device="cpu")


def arithmetic(encoder: Encoder, images: list[bytes], batch_size: int) -> int:
    with FlopCounterMode(display=False) as counter:
        list(encoder.embed(((str(row), data) for row, data in enumerate(images)), batch_size))
    return counter.get_total_flops()


def test_an_image_costs_one_forward_pass_however_it_is_batched(encoder: Encoder) -> None:
    with torch.inference_mode(), FlopCounterMode(display=False) as one:
        encoder._model.encode_image(torch.zeros(1, 3, encoder.image_size, encoder.image_size))
    images = shapes(10).images
    assert one.get_total_flops() > 0
    for batch_size in (1, 4, 64):
        assert arithmetic(encoder, images, batch_size) == len(images) * one.get_total_flops()


def test_the_last_block_is_computed_for_the_class_token_alone(tmp_path: Path) -> None:
    folder = make_model(tmp_path, TINY_VIT)
    encoder, (model, _) = Encoder.load(folder, device="cpu"), load_model(folder)
    pixels, found = torch.rand(3, 3, encoder.image_size, encoder.image_size), []
    for tower in (encoder._model, model.eval()):
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            found.append((tower.encode_image(pixels), counter))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    spared, whole = (counter.get_total_flops() for _, counter in found)
    assert spared < 0.7 * whole  # its only block; 0.61 when this was written


def test_no_common_image_is_resized_by_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise AssertionError("Pillow's resize takes several times as long as that of tensors")

    reader = PixelReader({}, (40, 40))
    monkeypatch.setattr(Image.Image, "resize", slow)
    for data in shapes(2).images:
        assert reader.pixels(data).shape == (40, 40, 3)


def test_each_image_is_decoded_once(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, read = [], encoder._reader.pixels

    def watched(image: bytes) -> np.ndarray:
        decoded.append(image)
        return read(image)

    monkeypatch.setattr(encoder._reader, "pixels", watched)
    images = shapes(10).images
    arithmetic(encoder, images, 4)
    assert sorted(decoded) == sorted(images)


def test_a_query_s_padding_costs_nothing(encoder: Encoder) -> None:
    def of(text: str) -> int:
        with FlopCounterMode(display=False) as counter:
            encoder.encode_texts([text])
        return counter.get_total_flops()

    short, long = of("mug"), of("x " * 100)
    assert 0 < short < long / 3  # 3 tokens of 16
