"""Fusion of rankings and of scores, by hand."""

import numpy as np
import pytest

from tasks.retrieval.fusion import fuse, reciprocal_rank_fusion


def test_what_both_have_comes_first_and_equals_are_in_the_order_of_rows() -> None:
    scores, rows = reciprocal_rank_fusion([np.array([5, 2, 3]), np.array([4, 3])])
    assert rows.tolist() == [3, 4, 5, 2]
    assert scores == pytest.approx([1 / 63 + 1 / 62, 1 / 61, 1 / 61, 1 / 62])


def test_nothing_fused_is_nothing() -> None:
    assert all(not len(part) for part in reciprocal_rank_fusion([np.zeros(0, np.int64), np.zeros(0, np.int64)]))
    assert all(not len(part) for part in reciprocal_rank_fusion([]))


def test_images_order_what_has_the_same_words() -> None:
    words, images = np.array([8.0, 8.0, 4.0, 0.0]), np.array([0.2, 0.3, 0.1, 0.4])
    scores = fuse(words, images, 1.0)
    assert np.argsort(-scores).tolist() == [1, 0, 2, 3] and scores.max() < 1
    assert np.argsort(-fuse(words, images, 0.1)).tolist() == [3, 1, 0, 2], "of a query whose words hardly any has"


def test_without_a_word_images_decide_and_the_other_way_round() -> None:
    images = np.array([0.2, 0.3, 0.1])
    assert np.argsort(-fuse(np.zeros(3), images, 0.0)).tolist() == [1, 0, 2]
    assert np.argsort(-fuse(np.array([1.0, 3.0, 2.0]), np.full(3, 0.5), 1.0)).tolist() == [1, 2, 0]
    assert len(fuse(np.zeros(0), np.zeros(0), 1.0)) == 0
