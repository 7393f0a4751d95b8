import numpy as np
import pytest
import torch

from tasks.clip.augment import PixelCache, augment
from tasks.clip.config import CaptionShares, FinetuneConfig
from tasks.clip.data import CaptionTable, TrainingData, batch_items, titles
from tasks.clip.images import PixelReader
from tasks.schema.errors import CatalogError, ConfigError
from tests.clip.shapes import shapes

SMALL = 3_600_000


def test_captions_are_chosen_by_share_among_those_an_item_has() -> None:
    captions = [{"title": "red oak sofa", "type": "sofa"}, {"title": "lamp", "bullet": "warm light"}, {"title": "sofa"}]
    shares = CaptionShares(title=0.6, type=0.2, bullet=0, title_without_brand=0.2, attributes=0, color_type=0)
    table = CaptionTable(captions, shares)
    random = np.random.default_rng(1)
    shown = [table.texts[row] for _ in range(2000) for row in table.choose(np.array([0, 1, 2]), random)]
    assert 0.20 < shown[::3].count("sofa") / 2000 < 0.30  # 0.2 of 0.8
    assert set(shown[1::3]) == {"lamp"}  # a share of 0 is never shown
    assert len(table.texts) == 4  # "sofa" is one caption, whoever carries it


def test_an_item_with_only_kinds_of_share_zero_is_still_shown() -> None:
    table = CaptionTable([{"bullet": "warm light"}], CaptionShares(bullet=0))
    assert table.texts[table.choose(np.array([0]), np.random.default_rng(0))[0]] == "warm light"


def test_data_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="aligned"):
        TrainingData([{"title": "a"}], [], ["g"])
    with pytest.raises(ConfigError, match="row 1"):
        TrainingData([{"title": "a"}, {"title": " "}], [b"", b""], ["g", "h"])
    with pytest.raises(ConfigError, match="known kind"):
        CaptionTable([{"haiku": "a"}], CaptionShares())


def test_titles_fall_back_to_any_caption() -> None:
    assert titles([{"title": "red sofa", "type": "sofa"}, {"title": "", "type": "lamp"}]) == ["red sofa", "lamp"]


def test_each_epoch_shows_each_item_at_most_once_in_another_order() -> None:
    epochs = [
        np.concatenate([batch_items(100, 16, step, seed=3) for step in range(first, first + 6)]) for first in (0, 6)
    ]
    for order in epochs:
        assert len(set(order.tolist())) == 96
    assert epochs[0].tolist() != epochs[1].tolist()
    assert batch_items(100, 16, 3, seed=3).tolist() == epochs[0][48:64].tolist()
    assert batch_items(100, 16, 3, seed=4).tolist() != epochs[0][48:64].tolist()


@pytest.mark.parametrize("area", [1.0, 0.5])
def test_pixels_are_moved_by_their_random_numbers_only(area: float) -> None:
    reader = PixelReader({}, (40, 40))
    bank = PixelCache(shapes(6).images, reader, threads=2, memory_bytes=10**9)
    pixels, recipe = bank.pixels(np.arange(6)), FinetuneConfig(crop_area_min=area, jitter=0.1).resolve(SMALL)
    shown = [augment(pixels, recipe, np.random.default_rng(seed), torch.device("cpu")) for seed in (1, 1, 2)]
    assert shown[0].shape == (6, 3, 40, 40)
    assert shown[0].dtype == torch.float32
    assert shown[0].min() >= 0
    assert shown[0].max() <= 1
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])
    bank.close()


def test_a_shift_moves_the_image_and_repeats_its_edge() -> None:
    pixels = np.full((64, 3, 48, 48), 255, np.uint8)
    pixels[:, :, 20:30, 10:16] = 0
    recipe = FinetuneConfig(crop_area_min=1.0, jitter=0.0).resolve(SMALL)
    shown = augment(pixels, recipe, np.random.default_rng(0), torch.device("cpu"))
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    assert (shown == 0).sum((1, 2, 3)).tolist() == [3 * 60] * 64  # all of the product is always seen
    lefts = (shown[:, 0] == 0).any(1).float().argmax(1)
    assert {int(left) for left in lefts if left < 20} == set(range(8, 13))
    assert {int(left) for left in lefts if left > 20} == set(range(30, 35))  # mirrored


def test_the_largest_crop_is_the_image_itself() -> None:
    pixels = PixelCache(shapes(4).images, PixelReader({}, (40, 40)), threads=2, memory_bytes=10**9).pixels(np.arange(4))
    recipe = FinetuneConfig(crop_area_min=0.999999, jitter=0.0, flip=False).resolve(SMALL)
    shown = augment(pixels, recipe, np.random.default_rng(0), torch.device("cpu"))
    assert (shown * 255 - torch.from_numpy(pixels).float()).abs().max() < 1


def test_pixels_kept_and_pixels_decoded_each_time_are_the_same() -> None:
    data, reader, rows = shapes(9), PixelReader({}, (40, 40)), np.array([5, 0, 5, 8])
    kept = PixelCache(data.images, reader, threads=2, memory_bytes=10**9)
    fresh = PixelCache(data.images, reader, threads=2, memory_bytes=0)
    np.testing.assert_array_equal(kept.pixels(rows), fresh.pixels(rows))
    kept.close()
    fresh.close()


def test_an_image_that_cannot_be_read_is_named() -> None:
    data = shapes(3)
    images = [data.images[0], b"not a picture", data.images[2]]
    with pytest.raises(CatalogError, match="training image 1"):
        PixelCache(images, PixelReader({}, (40, 40)), threads=2, memory_bytes=10**9)
