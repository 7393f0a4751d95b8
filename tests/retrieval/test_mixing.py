"""Mixing the parts of a query: each as loud as its weight."""

import numpy as np
import pytest

from tasks.retrieval.mixing import ScoreNormaliser


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def shop() -> np.ndarray:
    """Images in a cone: a common direction, two strong ways to differ, noise."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(3000, 64)) * np.r_[1.0, 0.6, np.full(62, 0.02)]
    return unit(spread + 4 * np.eye(64)[63])


def test_spread_is_the_deviation_of_the_scores(shop: np.ndarray) -> None:
    queries = unit(np.random.default_rng(1).normal(size=(5, 64)))
    assert np.allclose(ScoreNormaliser(shop).spread(queries), (queries @ shop.T).std(axis=1), rtol=1e-3)


def test_a_quiet_part_counts_as_much_as_a_loud_one(shop: np.ndarray) -> None:
    loud, quiet = np.eye(64, dtype=np.float32)[0], np.eye(64, dtype=np.float32)[1] * 0.2
    quiet = unit(quiet + np.eye(64, dtype=np.float32)[40])  # mostly along a direction in which nothing differs
    mixed = ScoreNormaliser(shop).mix(np.stack([loud, quiet]), np.array([1.0, 1.0]))[0]
    scores = shop @ mixed
    assert np.corrcoef(scores, shop @ loud)[0, 1] == pytest.approx(np.corrcoef(scores, shop @ quiet)[0, 1], abs=0.02)
    plain = shop @ (loud + quiet)
    assert np.corrcoef(plain, shop @ loud)[0, 1] > 0.95 > np.corrcoef(scores, shop @ loud)[0, 1]


def test_a_part_below_zero_turns_away(shop: np.ndarray) -> None:
    base, unwanted = np.eye(64, dtype=np.float32)[:2]
    mixed = ScoreNormaliser(shop).mix(np.stack([base, unwanted]), np.array([1.0, -1.0]))[0]
    assert np.corrcoef(shop @ mixed, shop @ unwanted)[0, 1] < -0.5


def test_one_part_stays_itself_and_equal_parts_cancel(shop: np.ndarray) -> None:
    normaliser, one = ScoreNormaliser(shop), unit(np.ones((1, 64)))
    assert np.array_equal(normaliser.mix(one, np.array([3.0])), one)
    assert np.array_equal(normaliser.mix(one, np.array([-0.5])), -one)
    assert not normaliser.mix(np.repeat(one, 2, axis=0), np.array([1.0, -1.0])).any()
    assert np.linalg.norm(normaliser.mix(unit(np.eye(64)[:3]), np.array([1, 2, -1]))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_shop_without_variety_mixes_all_the_same(rows: int) -> None:
    vectors = unit(np.eye(8)[:2])
    mixed = ScoreNormaliser(np.tile(unit(np.ones((1, 8))), (rows, 1))).mix(vectors, np.array([1.0, 1.0]))
    assert np.isfinite(mixed).all()
    assert np.linalg.norm(mixed) == pytest.approx(1, abs=1e-5)
