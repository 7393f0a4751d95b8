"""The figures of a catalogue, and what a careful reader would notice in them."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.config import CatalogConfig
from tasks.catalog.listing import SourceRows
from tasks.schema.tables import SPLITS


def summary_of(
    config: CatalogConfig, source: SourceRows, picked: int, items: pa.Table, rejects: pa.Table
) -> dict[str, Any]:
    """Plain JSON: what came in, what went out, what was refused; ``picked`` listings were looked at."""
    splits = _counts(items, "split")
    sizes = items["group_id"].value_counts().field("counts")
    summary = {
        "source": config.source,
        "format": "table" if "columns" in source.facts else "abo",
        "rows": source.rows,
        "items": items.num_rows,
        "rejected": rejects.num_rows,
        "left_out": len(source.listings) - picked,
        "groups": len(sizes),
        "largest_group": pc.max(sizes).as_py() or 0,
        "pictures": pc.count_distinct(items["image_sha256"]).as_py(),
        "splits": {split: splits.get(split, 0) for split in SPLITS},
        "rejects": _counts(rejects, "reason"),
        "categories": _counts(items, "category_l1"),
        "languages": _counts(items, "language"),
        **source.facts,
    }
    return summary | {"warnings": _warnings(summary)}


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    """Value -> number of rows, the commonest first."""
    counts = {str(one["values"]): one["counts"] for one in table[column].value_counts().to_pylist()}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _warnings(summary: Mapping[str, Any]) -> list[str]:
    """What a careful reader would notice in the figures."""
    warnings = []
    for split in ("train", "val", "test"):
        if not summary["splits"][split]:
            warnings.append(f"No item is in {split}: the shop has too few groups ({summary['groups']}) for its shares.")
    if summary["largest_group"] > max(20, summary["items"] * 0.05):
        warnings.append(
            f"One group has {summary['largest_group']} of {summary['items']} items: "
            "titles may be too alike to tell designs apart; map group_id."
        )
    if len(summary["categories"]) == 1 and summary["items"] > 1:
        warnings.append("Every item has the same category: a classifier has nothing to learn; see category_level.")
    return warnings
