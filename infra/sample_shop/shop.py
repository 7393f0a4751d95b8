"""The state of the shop on a day: which products, at which revision, and which of them are broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .designs import DesignKey, Product, design, item_id

DEFECT_KINDS = (
    "missing_title",
    "missing_main_image_id",
    "unknown_image_id",
    "zero_byte_image",
    "truncated_image",
    "not_an_image",
    "duplicate_item_id",
    "malformed_json",
    "blank_title",
)
DEFECT_SHARE = 0.005
NEW_SHARE, GONE_SHARE, TEXT_SHARE, IMAGE_SHARE = 0.01, 0.005, 0.01, 0.005


@dataclass(frozen=True)
class Entry:
    """One line of the shop: a product, how often its text and its image were changed, and what is wrong with it."""

    product: Product
    text_revision: int = 0
    image_revision: int = 0
    defect: str = ""
    duplicate_of: str = ""  # item_id of the earlier listing, for a duplicate

    @property
    def item_id(self) -> str:
        """The id the listing shows."""
        return self.duplicate_of or item_id(self.product)


@dataclass
class Changes:
    """Item ids that differ from the day before."""

    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    text_changed: list[str] = field(default_factory=list)
    image_changed: list[str] = field(default_factory=list)


def _first_day(items: int, seed: int) -> list[Entry]:
    """The first `items` products of the endless catalogue that `seed` stands for."""
    products: list[Product] = []
    number = 0
    while len(products) < items:
        products += design(seed, (0, number))
        number += 1
    return _with_defects([Entry(product) for product in products[:items]], seed)


def _copied_keys(entries: list[Entry]) -> set[DesignKey]:
    """Designs that another listing's image is copied from; they stay as they are."""
    return {entry.product.copy_of for entry in entries if entry.product.copy_of}


def _with_defects(entries: list[Entry], seed: int) -> list[Entry]:
    """Break a fixed share of the listings, each kind at least once in a shop of 300 or more."""
    total = len(entries)
    n_kinds = len(DEFECT_KINDS) if total >= 300 else min(len(DEFECT_KINDS), total // 30)
    n_broken = max(n_kinds, round(total * DEFECT_SHARE))
    rng = np.random.default_rng([seed, total, 101])
    copied = _copied_keys(entries)
    plain = [i for i, e in enumerate(entries) if not e.product.copy_of and e.product.key not in copied]
    first, rest = plain[: len(plain) // 4], plain[len(plain) // 4 :]
    chosen = rng.permutation(len(rest))[:n_broken]
    originals = iter(rng.permutation(len(first)))
    for kind_number, position in enumerate(rest[i] for i in chosen):
        kind = DEFECT_KINDS[kind_number % len(DEFECT_KINDS)]
        # the original comes earlier in the export, so a reader that keeps the first line rejects exactly this one
        original = item_id(entries[first[next(originals)]].product) if kind == "duplicate_item_id" else ""
        entries[position] = replace(entries[position], defect=kind, duplicate_of=original)
    return entries


def _next_day(entries: list[Entry], seed: int, day: int) -> tuple[list[Entry], Changes]:
    """The shop one day later: some listings gone, some edited, some with a new image, some new."""
    rng = np.random.default_rng([seed, day, 102])
    fixed = {entry.duplicate_of for entry in entries if entry.duplicate_of}
    copied = _copied_keys(entries)
    free = [
        i
        for i, e in enumerate(entries)
        if not e.defect and e.item_id not in fixed and not e.product.copy_of and e.product.key not in copied
    ]
    counts = [max(1, round(len(entries) * share)) for share in (GONE_SHARE, TEXT_SHARE, IMAGE_SHARE)]
    drawn = [free[i] for i in rng.permutation(len(free))[: sum(counts)]]
    gone, text, image = (set(part.tolist()) for part in np.split(np.array(drawn), np.cumsum(counts)[:2]))
    changes, kept = Changes(), []
    for i, entry in enumerate(entries):
        if i in gone:
            changes.gone.append(entry.item_id)
            continue
        if i in text:
            changes.text_changed.append(entry.item_id)
            entry = replace(entry, text_revision=entry.text_revision + 1)
        elif i in image:
            changes.image_changed.append(entry.item_id)
            entry = replace(entry, image_revision=entry.image_revision + 1)
        kept.append(entry)
    for product in _arrivals(seed, day, max(1, round(len(entries) * NEW_SHARE))):
        changes.new.append(item_id(product))
        kept.append(Entry(product))
    return kept, changes


def _arrivals(seed: int, day: int, count: int) -> list[Product]:
    """The products that appear on `day`."""
    products: list[Product] = []
    number = 0
    while len(products) < count:
        products += design(seed, (day, number))
        number += 1
    return products[:count]


def shop_on(day: int, items: int, seed: int) -> tuple[list[Entry], Changes]:
    """Every listing of the shop on `day`, in export order, and what changed since the day before."""
    entries, changes = _first_day(items, seed), Changes()
    for later in range(1, day + 1):
        entries, changes = _next_day(entries, seed, later)
    return entries, changes
