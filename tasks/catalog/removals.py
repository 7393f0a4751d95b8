"""Which products are taken down after some are taken down or brought back, and what an unknown id may have meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

import pyarrow as pa

from tasks.schema.errors import ConfigError
from tasks.schema.tables import REMOVALS

_NAMED = 3  # nearest ids named for each unknown one
_FEW_ENOUGH = 50_000  # ids compared letter by letter in well under a second


@dataclass(frozen=True)
class ChangedRemovals:
    """The complete list in force, and the ids that this change put on it and took off it."""

    table: pa.Table  # of REMOVALS
    removed: list[str]
    restored: list[str]


def change_removals(
    current: pa.Table,
    indexed: Sequence[str],
    *,
    remove: Iterable[str] = (),
    restore: Iterable[str] = (),
    reason: str,
    when: datetime,
    run: str,
    unknown_ok: bool = False,
) -> ChangedRemovals:
    """Take products down and bring others back. An id that is down already keeps its first reason.

    current: table of REMOVALS. indexed: ids that can be searched, removed ones included. Raises ConfigError naming
    every unknown id with its nearest ones, unless ``unknown_ok``: then an id is taken down before the shop lists it.
    """
    remove, restore = list(dict.fromkeys(remove)), list(dict.fromkeys(restore))
    down = {row["item_id"]: row for row in current.to_pylist()}
    if not unknown_ok:
        faults = [*_unknown(remove, {*indexed, *down}, "product"), *_unknown(restore, set(down), "taken-down product")]
        if faults:
            raise ConfigError(
                f"{len(faults)} of {len(remove) + len(restore)} ids are unknown, so nothing was changed. "
                f"{'; '.join(faults)}. Correct them, or set unknown_ok for products that the shop does not list yet."
            )
    removed = [item_id for item_id in remove if item_id not in down]
    restored = [item_id for item_id in restore if down.pop(item_id, None)]
    rows = [{"item_id": item_id, "reason": reason, "removed_at": when, "run": run} for item_id in removed]
    return ChangedRemovals(pa.Table.from_pylist([*down.values(), *rows], schema=REMOVALS), removed, restored)


def _unknown(asked: list[str], known: set[str], what: str) -> list[str]:
    return [
        f"no {what} {item_id!r:.80}" + (f", nearest: {', '.join(found)}" if (found := nearest(item_id, known)) else "")
        for item_id in asked
        if item_id not in known
    ]


def nearest(item_id: str, known: Iterable[str]) -> list[str]:
    """Ids of ``known`` that ``item_id`` may have meant, the likeliest first."""
    candidates = sorted(known)
    if len(candidates) > _FEW_ENOUGH:  # typing errors are rare at the start of an id
        candidates = [one for one in candidates if one[:2].lower() == item_id[:2].lower()][:_FEW_ENOUGH]
    folded: dict[str, str] = {one.lower(): one for one in candidates}
    return [folded[found] for found in get_close_matches(item_id.lower(), folded, n=_NAMED)]
