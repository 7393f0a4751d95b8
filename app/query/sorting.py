"""The order of an answer by a column of numbers."""

import numpy as np

from app.serving.columns import Columns

_HIGHEST_FIRST = "-"


def sort_rows(columns: Columns, sort: str, rows: np.ndarray) -> np.ndarray:
    """(k,) int64: places of ``rows`` (k,) in the order of a column; "-" before its name: the highest first.

    Equal numbers keep their order, and so do rows without one, which come last. Raises BadRequest.
    """
    numbers = columns.numbers(sort.removeprefix(_HIGHEST_FIRST), rows)
    return np.argsort(-numbers if sort.startswith(_HIGHEST_FIRST) else numbers, kind="stable")  # NaN comes last
