"""A shop's own table as listings."""

from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from tasks.catalog.block_reader import BlockReader
from tasks.catalog.columns import Columns, further_columns
from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_names import named_by_id
from tasks.catalog.listing import LISTINGS, SourceRows
from tasks.catalog.locations import images_base
from tasks.catalog.profiles import Profile, profile_of, signatures
from tasks.catalog.tables.open_table import open_table
from tasks.catalog.tables.rows import BLOCK, Block, RawTable, blocks_of, one_block
from tasks.schema.errors import CatalogError
from tasks.schema.files import SourceFiles


def read_table(config: CatalogConfig, files: SourceFiles) -> SourceRows:
    """Every row of the table as a listing or a reject; rows of one product are joined first.

    Raises CatalogError when the table as a whole cannot be read or a required column is missing.
    """
    table = open_table(config, files)
    profile = _profile(config, table)
    blocks, folded = _joined(table, profile)
    first = _first(blocks)
    sample = one_block(first).whole()
    found = list(dict.fromkeys([*table.columns, *sample.columns])) if profile else table.columns
    columns = Columns(found, sample)
    explicit = named_by_id(config, files, found, sample) | config.columns
    matched = columns.matched(explicit, config.table or config.source, profile)
    extra = further_columns(found, matched, profile)
    reader = BlockReader(matched, extra, images_base(config, files.root), config.category_level, sample)
    listings = pa.concat_tables([LISTINGS.empty_table(), *map(reader.read, chain(first, blocks))])
    facts: dict[str, object] = {
        "columns": {field: str(source) for field, source in matched.items()},
        "attributes": extra,
        "column_report": reader.report.rows(columns.suspicions),
        **({"export": profile.label, "folded_rows": folded} if profile else {}),
        **table.facts,
        **{name: number for name, number in reader.counts.items() if number},
    }
    return SourceRows(listings, reader.rejects, len(listings) + len(reader.rejects), facts, reader.embedded)


def _first(blocks: Iterator[Block]) -> list[Block]:
    """The first blocks, of as many rows as columns are judged by."""
    first, rows = [], 0
    for block in blocks:
        first.append(block)
        rows += len(block.sources)
        if rows >= BLOCK:
            break
    return first


def _profile(config: CatalogConfig, table: RawTable) -> Profile | None:
    if config.format == "table":
        return None
    profile = profile_of(table.columns, config.format)
    if profile is None and config.format != "auto":
        raise CatalogError(
            f"{config.source} is not read as {config.format}, which has the columns {signatures(config.format)}. "
            f"Columns found: {list(table.columns)}. Leave format at auto, or say with columns which is which."
        )
    return profile


def _joined(table: RawTable, profile: Profile | None) -> tuple[Iterator[Block], dict[str, int]]:
    if profile is None or profile.families is None:
        return iter(table.blocks), {}
    rows, folded = profile.families.joined([row for block in table.blocks for row in block.rows()])
    return blocks_of(rows), folded
