"""Large tables a part at a time."""

from typing import TypeVar

import pyarrow as pa

#: Rows whose texts are Python's at once, or that are aligned: bounds memory, and the 2 GB one column of text may hold.
AT_ONCE = 65_536
Rows = TypeVar("Rows", pa.Table, pa.Array)


def slices(rows: Rows) -> list[Rows]:
    """``rows`` in parts of at most AT_ONCE, without a copy."""
    return [rows.slice(start, AT_ONCE) for start in range(0, len(rows), AT_ONCE)]
