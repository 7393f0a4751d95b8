"""Rows of a parquet file, images that are in it included."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.catalog.tables.rows import BLOCK, Block, EmbeddedImage, RawTable, joined_columns
from tasks.schema.errors import CatalogError

#: How the files of each kind of image begin, beside a box `ftyp` (AVIF).
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def read_parquet(name: str, data: bytes) -> RawTable:
    """A parquet file. Raises CatalogError where it is none."""
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        batches = list(file.iter_batches(batch_size=BLOCK))
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{name} cannot be read as parquet ({error}).") from error
    names = list(file.schema_arrow.names)
    return RawTable(list(dict.fromkeys(names)), _blocks(name, names, batches))


def _blocks(name: str, names: Sequence[str], batches: Sequence[pa.RecordBatch]) -> Iterator[Block]:
    first = 0
    for batch in batches:
        rows = [f"{name}#{first + at}" for at in range(batch.num_rows)]
        columns = [_values(column, [f"{row}/{at}" for row in rows]) for at, column in enumerate(batch.columns)]
        yield Block(range(first, first + batch.num_rows), rows, joined_columns(names, columns))
        first += batch.num_rows


def _values(column: pa.Array, places: Sequence[str]) -> list[Any]:
    """Python values; images stay in the table until they are asked for."""
    images = _image_bytes(column)
    if images is not None:
        return [_image(column, images, at, place) for at, place in enumerate(places)]
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:  # arrow does not check its strings
        values = column.cast(pa.binary()).to_pylist()
    return values


def _image(column: pa.Array, images: pa.Array, at: int, place: str) -> Any:
    if images[at].is_valid:
        return EmbeddedImage(f"embedded://{place}", images[at].as_py)
    return column[at].as_py()  # a struct of data sets may name a path instead


def _image_bytes(column: pa.Array) -> pa.Array | None:
    """The column's bytes, where they are images: binary, or a struct with ``bytes`` as Hugging Face data sets have."""
    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = column.field("bytes")
        kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        return None
    filled = column.drop_null()
    beginning = filled[0].as_py()[:12] if len(filled) else b""
    return column if beginning.startswith(_BEGINNINGS) or beginning[4:8] == b"ftyp" else None
