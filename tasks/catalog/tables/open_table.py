"""The shop's table or tables, by the ending of their names."""

import gzip
import posixpath
import zlib
from collections.abc import Iterator

from tasks.catalog.config import TABLE_ENDINGS, CatalogConfig, is_table
from tasks.catalog.tables.delimited import read_delimited
from tasks.catalog.tables.json_rows import read_json
from tasks.catalog.tables.parquet_rows import read_parquet
from tasks.catalog.tables.rows import Block, RawTable
from tasks.catalog.tables.workbook_rows import read_workbook
from tasks.catalog.tables.xml_rows import read_xml
from tasks.schema.errors import CatalogError, SourceMissing, SourceRefused
from tasks.schema.files import SourceFiles

_SHARD_FOLDERS = ("", "data")  # data sets keep theirs below data/


def open_table(config: CatalogConfig, files: SourceFiles) -> RawTable:
    """The table that ``config`` names, or the shards of one in its folder, in the order of their names.

    Raises CatalogError where one cannot be read, or is empty.
    """
    names = [config.table] if config.names_table else table_shards(files, config.table)
    if not names:
        raise CatalogError(f"{config.source} holds no table: expected files that end in {', '.join(TABLE_ENDINGS)}.")
    if len(names) == 1:
        return _read(names[0], config, files)
    tables = [_read(name, config, files) for name in names]
    columns = dict.fromkeys(column for table in tables for column in table.columns)
    return RawTable(list(columns), _numbered(tables), {"shards": len(names)})


def table_shards(files: SourceFiles, below: str = "") -> list[str]:
    """Tables in a folder that are parts of one: all of the ending that most of them have. [] where there is none."""
    for folder in _SHARD_FOLDERS:
        try:
            names = [name for name in files.list(posixpath.join(below, folder)) if is_table(name)]
        except (SourceMissing, SourceRefused):
            continue
        endings = [_ending(name) for name in names]
        if endings:
            most = max(sorted(set(endings)), key=endings.count)
            return sorted(name for name, ending in zip(names, endings, strict=True) if ending == most)
    return []


def _numbered(tables: list[RawTable]) -> Iterator[Block]:
    rows = 0
    for table in tables:
        for block in table.blocks:
            block.positions = range(rows, rows + len(block.sources))
            rows += len(block.sources)
            yield block


def _ending(name: str) -> str:
    return posixpath.splitext(_file(name).removesuffix(".gz"))[1]


def _file(name: str) -> str:
    """The name in lower case, a web address without its query."""
    return name.partition("?")[0].lower()


def _read(name: str, config: CatalogConfig, files: SourceFiles) -> RawTable:
    data = _unpacked(name, files.read(name))
    if not data.strip():
        raise CatalogError(f"{name} is empty: expected a header and rows.")
    match _ending(name):
        case ".parquet" | ".pq":
            return read_parquet(name, data)
        case ".jsonl" | ".ndjson" | ".json":
            return read_json(name, data)
        case ".xml" | ".rss" | ".atom":
            return read_xml(name, data)
        case ".xlsx":
            return read_workbook(name, data)
        case suffix:
            return read_delimited(name, data, suffix, config.encoding, config.delimiter)


def _unpacked(name: str, data: bytes) -> bytes:
    if not _file(name).endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogError(f"{name} is not a whole gzip file ({error}): copy it again from the shop.") from error
