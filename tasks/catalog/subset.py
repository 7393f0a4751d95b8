"""A smaller shop with every category in proportion, and the same picks as the shop grows."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import pyarrow as pa

from tasks.catalog.groups import designs_of
from tasks.catalog.splits import share_of


def choose_subset(listings: pa.Table, max_items: int, seed: str, incumbents: Collection[str] = ()) -> pa.Table:
    """At most ``max_items`` listings (LISTINGS) in their order, from every ``category_l1`` in proportion.

    In a category, items picked before (``incumbents``) come first, then by a hash of the design and of the item:
    whole designs come together, and a new product displaces none but those behind it.
    """
    if len(listings) <= max_items:
        return listings
    # Another word than the splits use: low hashes of the same word would all be training items.
    seed = f"subset of {seed}"
    ids, designs = listings["item_id"].to_pylist(), designs_of(listings)
    strata: dict[str, list[int]] = defaultdict(list)
    for at, name in enumerate(listings["category_l1"].to_pylist()):
        strata[name].append(at)
    quotas = _quotas({name: len(members) for name, members in strata.items()}, max_items)

    def rank(at: int) -> tuple[bool, float, float]:
        return ids[at] not in incumbents, share_of(designs[at], seed), share_of(ids[at], seed)

    chosen = (at for name, members in strata.items() for at in sorted(members, key=rank)[: quotas[name]])
    return listings.take(sorted(chosen))


def _quotas(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Places of each category: its share rounded down but at least one, the rest by largest remainder.

    With more categories than places, the largest categories get one each.
    """
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    if len(names) >= total:
        return {name: int(at < total) for at, name in enumerate(names)}
    everything = sum(sizes.values())
    exact = {name: sizes[name] * total / everything for name in names}
    quotas = {name: max(1, int(exact[name])) for name in names}
    by_remainder = sorted(names, key=lambda name: (quotas[name] - exact[name], name))
    at = 0
    while sum(quotas.values()) < total:
        name = by_remainder[at % len(names)]
        quotas[name] += quotas[name] < sizes[name]
        at += 1
    for name in names:  # the guaranteed ones may have overspent: the largest categories pay
        while sum(quotas.values()) > total and quotas[name] > 1 and quotas[name] > exact[name] - 1:
            quotas[name] -= 1
    return quotas
