"""The figures of a catalogue, and what a careful reader would notice in them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tasks.catalog.config import CatalogConfig
from tasks.catalog.listing import SourceRows
from tasks.schema.tables import SPLITS


def summary_of(
    config: CatalogConfig, source: SourceRows, picked: int, items: pa.Table, rejects: pa.Table
) -> dict[str, Any]:
    """Plain JSON: what came in, what went out, what was refused; ``picked`` listings were looked at."""
    splits = Counter(items.column("split").to_pylist())
    groups = Counter(items.column("group_id").to_pylist())
    reasons = Counter(rejects.column("reason").to_pylist())
    summary = {
        "source": config.source,
        "format": "table" if "columns" in source.facts else "abo",
        "rows": source.rows,
        "items": items.num_rows,
        "rejected": rejects.num_rows,
        "left_out": len(source.listings) - picked,
        "groups": len(groups),
        "largest_group": max(groups.values(), default=0),
        "pictures": len(set(items.column("image_sha256").to_pylist())),
        "splits": {split: splits[split] for split in SPLITS},
        "rejects": dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        "categories": _counted(items, "category_l1"),
        "languages": _counted(items, "language"),
        **source.facts,
    }
    return summary | {"warnings": _warnings(summary)}


def _counted(items: pa.Table, column: str) -> dict[str, int]:
    counts = Counter(items.column(column).to_pylist())
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
