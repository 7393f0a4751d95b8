"""Parquet bytes that tell when they were damaged."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.schema.errors import ArtifactCorrupt


def table_bytes(table: pa.Table, **options: Any) -> bytes:
    """Parquet bytes of ``table``: zstd, a checksum in every page. ``options`` go to pyarrow's writer."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "zstd", "write_page_checksum": True, **options})
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_parquet(source: Any, columns: Sequence[str] | None, url: str) -> pa.Table:
    """The table (or some columns of it) in an open file or buffer. Raises ArtifactCorrupt naming ``url``."""
    try:
        return pq.read_table(
            source,
            columns=None if columns is None else [*columns],
            page_checksum_verification=True,
            use_threads=False,  # callers read many files in threads of their own
        )
    except (pa.ArrowInvalid, OSError) as error:
        # A failed page checksum is an OSError without a number; a disk or a server that fails has number or cause.
        if isinstance(error, OSError) and (error.errno is not None or error.__cause__ is not None):
            raise
        raise ArtifactCorrupt(
            f"{url} is not a whole parquet file ({error!s:.200}); delete it and run the step that made it again"
        ) from error
