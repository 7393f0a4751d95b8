"""Which items to train on, choose by, and measure on: stable as the shop grows, and without leaks.

Two promises hold for the splits train, val and test: no group has items in two of them, and no image has.
What would break a promise becomes "unused": it can be searched, and is neither trained nor measured on.
A hash of its group decides where an item falls. A small shop may so be left without any to measure on: then new groups
move, by rank, into the split that lacks them.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.catalog.groups import designs_of
from tasks.catalog.listing import Listing

#: Who keeps an item or an image that two splits claim. Test first: it is the smallest and the figures rest on it.
PRECEDENCE = ("test", "val", "train")
#: Items that a split needs to be of any use: with one, every answer is the right one.
FEWEST = 2


@dataclass(frozen=True, slots=True)
class Member:
    """What decides the split of one item."""

    item_id: str
    group_id: str
    image_sha256: str


@dataclass(slots=True)
class Known:
    """Splits of the previous catalogue, by item, by group and by image; items that have left count too."""

    items: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Iterable[Member], splits: Iterable[str]) -> "Known":
        """Read from the previous catalogue's rows."""
        known = cls()
        for member, split in zip(members, splits, strict=True):
            known.items[member.item_id] = split
            if split in PRECEDENCE:
                known.groups[member.group_id] = split
                known.images[member.image_sha256] = split
        return known


def share_of(key: str, seed: str) -> float:
    """A number in [0, 1) that depends on nothing but ``key`` and ``seed`` (sha256)."""
    digest = hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of_group(group_id: str, seed: str, train: float, val: float) -> str:
    """The split a new group falls in; ``train`` and ``val`` are shares, the rest is test."""
    place = share_of(group_id, seed)
    return "train" if place < train else "val" if place < train + val else "test"


def assign_splits(
    members: Sequence[Member], seed: str, train: float, val: float, known: Known | None = None
) -> list[str]:
    """The split of each member, in their order.

    An item of the previous catalogue keeps its split as long as no group or image straddles. A new item takes the
    split its group already has, else the one its group's hash falls in, unless a split would be left with fewer than
    ``FEWEST`` items: then new groups move there, see `_fill`.
    """
    known = known or Known()
    groups = _group_splits(members, seed, train, val, known)
    splits = _item_splits(members, groups, known)
    if moved := _fill(members, splits, _shares(train, val), seed, known):
        splits = _item_splits(members, groups | moved, known)
    return splits


def designs_and_splits(
    listings: Sequence[Listing], images: Sequence[str], seed: str, train: float, val: float, known: Known | None = None
) -> tuple[list[str], list[str]]:
    """The design and the split of each listing, whose image has the sha256 beside it.

    Where designs by title leave a split with fewer than ``FEWEST`` items, those that hold too many are taken apart, see
    `designs_of`.
    """
    known = known or Known()
    for trust_titles in (True, False):
        designs = designs_of(listings, known.groups, trust_titles)
        members = [Member(one.item_id, *rest) for one, *rest in zip(listings, designs, images, strict=True)]
        splits = assign_splits(members, seed, train, val, known)
        if not _lacking(Counter(splits), _shares(train, val)):
            break
    return designs, splits


def _shares(train: float, val: float) -> dict[str, float]:
    return {"test": 1 - train - val, "val": val, "train": train}


def _lacking(count: Mapping[str, int], shares: Mapping[str, float]) -> list[str]:
    return [split for split in PRECEDENCE if shares[split] > 1e-6 and count[split] < FEWEST]


def _item_splits(members: Sequence[Member], groups: Mapping[str, str], known: Known) -> list[str]:
    splits = []
    for member in members:
        before = known.items.get(member.item_id)
        wanted = groups[member.group_id]
        splits.append(wanted if before in (None, wanted) else "unused")
    return _without_shared_images(members, splits, known)


def _group_splits(members: Sequence[Member], seed: str, train: float, val: float, known: Known) -> dict[str, str]:
    """One split for each group: what most of its known items have, else what the group had, else its hash."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        votes[member.group_id].update([known.items.get(member.item_id, "")])
    return {
        group: _winner(count) or known.groups.get(group) or split_of_group(group, seed, train, val)
        for group, count in votes.items()
    }


def _winner(votes: Mapping[str, int]) -> str:
    """The split with most votes, ties by precedence; "" without a vote for one of the three."""
    best = max(PRECEDENCE, key=lambda split: (votes.get(split, 0), -PRECEDENCE.index(split)))
    return best if votes.get(best, 0) else ""


def _without_shared_images(members: Sequence[Member], splits: list[str], known: Known) -> list[str]:
    """Where one image has items in several splits, one split keeps its items and the others' become unused.

    The keeper is the split of the items that were there before, be it the one the image had before; without such
    items the one the image had before; else by precedence.
    """
    claims: dict[str, set[tuple[bool, str]]] = defaultdict(set)
    for member, split in zip(members, splits, strict=True):
        if split in PRECEDENCE:
            claims[member.image_sha256].add((member.item_id in known.items, split))
    keepers = {image: _keeper(image, claim, known) for image, claim in claims.items()}
    return [
        split if split == keepers.get(member.image_sha256) else "unused"
        for member, split in zip(members, splits, strict=True)
    ]


def _keeper(image: str, claims: set[tuple[bool, str]], known: Known) -> str:
    older = {split for was_there, split in claims if was_there}
    before = known.images.get(image, "")
    if before and (not older or before in older):
        return before
    candidates = older or {split for _, split in claims}
    return next(split for split in PRECEDENCE if split in candidates)


def _fill(
    members: Sequence[Member], splits: Sequence[str], shares: Mapping[str, float], seed: str, known: Known
) -> dict[str, str]:
    """New splits, by group, of those that move so that each split with a share has ``FEWEST`` items or more.

    Only groups that the previous catalogue did not have move, together with those that share an image with them, so
    that nothing straddles. They come by rank: the highest hash first, of those that are not larger than what is lacking
    if there are any. No split gives below ``FEWEST``. A split that cannot be filled takes nothing.
    """
    count = Counter(splits)
    lacking = _lacking(count, shares)
    if not lacking or len(members) < 2 * FEWEST:  # nothing could be trained and measured as well
        return {}
    clusters = _movable(members, splits, known)
    clusters.sort(key=lambda cluster: -share_of(min(cluster.groups), seed))
    moved: dict[str, str] = {}
    for split in lacking:
        taken = _taken(clusters, count, split, shares, max(FEWEST, round(shares[split] * len(members))))
        for cluster in taken:
            clusters.remove(cluster)
            count.subtract(cluster.splits)
            count[split] += cluster.size
            moved |= dict.fromkeys(cluster.groups, split)
    return moved


@dataclass(eq=False, slots=True)
class _Cluster:
    """New groups that images join, and how many of their items are in each split."""

    groups: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return self.splits.total()

    def may_leave(self, count: Mapping[str, int], to: str, shares: Mapping[str, float]) -> bool:
        """Whether every other split that needs items keeps enough."""
        others = (split for split in PRECEDENCE if split != to and shares[split] > 1e-6 and self.splits[split])
        return all(count[split] - self.splits[split] >= FEWEST for split in others)


def _taken(
    clusters: Sequence[_Cluster], count: Counter[str], split: str, shares: Mapping[str, float], wanted: int
) -> list[_Cluster]:
    """What to move into ``split``, of clusters by rank, to have about ``wanted`` items; nothing if it stays useless."""
    count, taken = count.copy(), list[_Cluster]()
    while (room := wanted - count[split]) > 0:
        able = [one for one in clusters if one not in taken and one.may_leave(count, split, shares)]
        best = min(able, key=lambda one: max(one.size, room), default=None)  # of several, the first
        if best is None or (count[split] >= FEWEST and best.size > room):
            break
        count.subtract(best.splits)
        count[split] += best.size
        taken.append(best)
    return taken if count[split] >= FEWEST else []


def _movable(members: Sequence[Member], splits: Sequence[str], known: Known) -> list[_Cluster]:
    """Groups joined by images, without those that the previous catalogue knew any item, group or image of."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes: dict[tuple[str, str], int] = {}
    ends = [
        [nodes.setdefault(name, len(nodes)) for name in (("group", one.group_id), ("image", one.image_sha256))]
        for one in members
    ]
    rows, columns = zip(*ends, strict=True)
    graph = coo_array(([1] * len(ends), (rows, columns)), shape=(len(nodes),) * 2)
    joined = connected_components(graph, directed=False)[1][list(rows)].tolist()
    clusters: dict[int, _Cluster] = defaultdict(_Cluster)
    fixed = set()
    for member, split, name in zip(members, splits, joined, strict=True):
        clusters[name].groups.add(member.group_id)
        clusters[name].splits[split] += 1
        if member.item_id in known.items or member.group_id in known.groups or member.image_sha256 in known.images:
            fixed.add(name)
    return [cluster for name, cluster in clusters.items() if name not in fixed]
