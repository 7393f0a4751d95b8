"""Columns of text as one column of maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def map_array(columns: Mapping[str, Sequence[str] | pa.Array], rows: int) -> pa.MapArray:
    """For each of ``rows`` rows its texts by their columns' names, in the order of ``columns``, without empty ones."""
    arrays = [pa.array(cells, pa.string()) for cells in columns.values()]
    flat = pa.concat_arrays([pa.array([], pa.string()), *arrays])
    filled = pc.not_equal(flat, "").to_numpy(zero_copy_only=False).reshape(len(arrays), rows).T
    places = np.arange(len(flat)).reshape(len(arrays), rows).T[filled]
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int32)
    keys = pa.array(list(columns), pa.string()).take(pa.array(places // max(rows, 1)))
    return pa.MapArray.from_arrays(offsets, keys, flat.take(pa.array(places)))
