"""Reciprocal rank fusion, by hand."""

import numpy as np
import pytest

from tasks.retrieval.fusion import reciprocal_rank_fusion


def test_what_both_have_comes_first_and_equals_are_in_the_order_of_rows() -> None:
    scores, rows = reciprocal_rank_fusion([np.array([5, 2, 3]), np.array([4, 3])])
    assert rows.tolist() == [3, 4, 5, 2]
    assert scores == pytest.approx([1 / 63 + 1 / 62, 1 / 61, 1 / 61, 1 / 62])


def test_nothing_fused_is_nothing() -> None:
    assert all(not len(part) for part in reciprocal_rank_fusion([np.zeros(0, np.int64), np.zeros(0, np.int64)]))
    assert all(not len(part) for part in reciprocal_rank_fusion([]))
