"""Rows of the first sheet of an Excel workbook. Needs the extra ``xlsx``."""

import io
import zipfile

from tasks.catalog.tables.rows import BLOCK, Block, RawTable, columns_of
from tasks.schema.errors import CatalogError


def read_workbook(name: str, data: bytes) -> RawTable:
    """An .xlsx file; its first row with two cells or more is the header. Raises CatalogError where there is none."""
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise CatalogError(
            f"{name} is an Excel workbook, which the extra xlsx reads: pip install 'product-search[xlsx]', or save it "
            "as csv."
        ) from error
    try:
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
        cells = [list(row) for row in sheet.iter_rows(values_only=True)]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError) as error:
        raise CatalogError(f"{name} cannot be read as an Excel workbook ({error}).") from error
    header = next((at for at, row in enumerate(cells) if sum(cell is not None for cell in row) > 1), None)
    if header is None:
        raise CatalogError(f"{name} has no header in its first sheet.")
    names = ["" if cell is None else str(cell).strip() for cell in cells[header]]
    filled = [
        (at, row) for at, row in enumerate(cells[header + 1 :], header + 2) if any(cell is not None for cell in row)
    ]
    blocks = [
        Block(
            range(start, start + len(some)),
            [f"{name}:{at}" for at, _ in some],
            columns_of(names, (row for _, row in some)),
        )
        for start in range(0, len(filled), BLOCK)
        if (some := filled[start : start + BLOCK])
    ]
    return RawTable(list(dict.fromkeys(name for name in names if name)), blocks)
