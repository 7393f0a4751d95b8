"""Which items to train on, choose by, and measure on: stable as the shop grows, and without leaks.

Two promises hold for the splits train, val and test: no group has items in two of them, and no image has.
What would break a promise becomes "unused": it can be searched, and is neither trained nor measured on.
A hash of its group decides where an item falls. A small shop may so be left without any to measure on: then new groups
move, by rank, into the split that lacks them.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.groups import designs_of

#: Who keeps an item or an image that two splits claim. Test first: it is the smallest and the figures rest on it.
PRECEDENCE = ("test", "val", "train")
#: Items that a split needs to be of any use: with one, every answer is the right one.
FEWEST = 2
#: What decides the split of an item, and with ``split`` what is known of the previous catalogue's.
MEMBERS = pa.schema([(name, pa.string()) for name in ("item_id", "group_id", "image_sha256")])
KNOWN = MEMBERS.append(pa.field("split", pa.string()))

_UNUSED, _NONE = len(PRECEDENCE), -1  # places in PRECEDENCE are the other codes of a split
_NAMES = np.array([*PRECEDENCE, "unused"], dtype=object)
Codes = npt.NDArray[np.int64]


def share_of(key: str, seed: str) -> float:
    """A number in [0, 1) that depends on nothing but ``key`` and ``seed`` (sha256)."""
    digest = hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of_group(group_id: str, seed: str, train: float, val: float) -> str:
    """The split a new group falls in; ``train`` and ``val`` are shares, the rest is test."""
    place = share_of(group_id, seed)
    return "train" if place < train else "val" if place < train + val else "test"


def assign_splits(members: pa.Table, seed: str, train: float, val: float, known: pa.Table | None = None) -> list[str]:
    """The split of each member (MEMBERS), in their order.

    An item of the previous catalogue (``known``: KNOWN) keeps its split as long as no group or image straddles. A new
    item takes the split its group already has, else the one its group's hash falls in, unless a split would be left
    with fewer than ``FEWEST`` items: then new groups move there, see `_fill`.
    """
    coded = _Members.of(members, KNOWN.empty_table() if known is None else known)
    of_group = _group_splits(coded, seed, train, val)
    splits = _item_splits(coded, of_group)
    if moved := _fill(coded, splits, _shares(train, val), seed):
        places = {name: at for at, name in enumerate(coded.groups)}
        for group, split in moved.items():
            of_group[places[group]] = PRECEDENCE.index(split)
        splits = _item_splits(coded, of_group)
    return splits


def designs_and_splits(
    listings: pa.Table, images: pa.Array, seed: str, train: float, val: float, known: pa.Table | None = None
) -> tuple[list[str], list[str]]:
    """The design and the split of each listing (LISTINGS), whose image has the sha256 beside it; ``known`` is of KNOWN.

    Where designs by title leave a split with fewer than ``FEWEST`` items, those that hold too many are taken apart, see
    `designs_of`.
    """
    before = KNOWN.empty_table() if known is None else known
    settled = set(before.filter(pc.is_in(before["split"], pa.array(PRECEDENCE)))["group_id"].unique().to_pylist())
    for trust_titles in (True, False):
        designs = designs_of(listings, settled, trust_titles)
        columns = [listings["item_id"], pa.array(designs, pa.string()), images]
        splits = assign_splits(pa.table(columns, schema=MEMBERS), seed, train, val, known)
        if not _lacking(Counter(splits), _shares(train, val)):
            break
    return designs, splits


def _shares(train: float, val: float) -> dict[str, float]:
    return {"test": 1 - train - val, "val": val, "train": train}


def _lacking(count: Mapping[str, int], shares: Mapping[str, float]) -> list[str]:
    return [split for split in PRECEDENCE if shares[split] > 1e-6 and count[split] < FEWEST]


@dataclass(frozen=True)
class _Members:
    """Members by number: ``group`` and ``image`` are places in ``groups`` and ``images``.

    ``before``, ``group_before``, ``image_before``: the code of the split that the previous catalogue gave each member,
    group and image. There _NONE stands for one that it did not have.
    """

    groups: list[str]
    images: list[str]
    group: Codes
    image: Codes
    before: Codes
    group_before: Codes
    image_before: Codes

    @classmethod
    def of(cls, members: pa.Table, known: pa.Table) -> "_Members":
        codes = pc.index_in(known["split"], pa.array(list(_NAMES))).to_numpy()
        newest_first = np.flatnonzero(codes != _UNUSED)[::-1]  # of several splits of one group the last counts
        group, image = (members[name].combine_chunks().dictionary_encode() for name in ("group_id", "image_sha256"))
        settled, settled_codes = known.take(pa.array(newest_first)), codes[newest_first]
        return cls(
            group.dictionary.to_pylist(), image.dictionary.to_pylist(), _numbers(group.indices),
            _numbers(image.indices), _looked_up(members["item_id"], known["item_id"], codes),
            _looked_up(group.dictionary, settled["group_id"], settled_codes),
            _looked_up(image.dictionary, settled["image_sha256"], settled_codes),
        )  # fmt: skip


def _numbers(array: pa.Array | pa.ChunkedArray) -> Codes:
    found: Codes = pc.fill_null(array, _NONE).to_numpy().astype(np.int64)
    return found


def _looked_up(names: pa.Array, known: pa.ChunkedArray, codes: Codes) -> Codes:
    """The code beside each name in ``known``, _NONE where it is not there."""
    return np.append(codes, _NONE)[_numbers(pc.index_in(names, value_set=known))]


def _item_splits(members: _Members, of_group: Codes) -> list[str]:
    """The split of each member, from those of the groups: unused where it, or its image, was elsewhere before."""
    wanted = of_group[members.group]
    splits = np.where((members.before == _NONE) | (members.before == wanted), wanted, _UNUSED)
    splits = np.where(splits == _keepers(members, splits)[members.image], splits, _UNUSED)
    return list(_NAMES[splits])


def _group_splits(members: _Members, seed: str, train: float, val: float) -> Codes:
    """One split for each group: what most of its known items have, else what the group had, else its hash."""
    votes = np.zeros((len(members.groups), len(PRECEDENCE)), np.int64)
    voting = (members.before != _NONE) & (members.before != _UNUSED)
    np.add.at(votes, (members.group[voting], members.before[voting]), 1)
    splits = np.where(votes.any(axis=1), votes.argmax(axis=1), members.group_before)  # of equal votes the first
    for at in np.flatnonzero(splits == _NONE):
        splits[at] = PRECEDENCE.index(split_of_group(members.groups[at], seed, train, val))
    return splits


def _keepers(members: _Members, splits: Codes) -> Codes:
    """For each image the split whose items keep it; those of others, where it has items in several, become unused.

    The keeper is the split of the items that were there before, be it the one the image had before; without such
    items the one the image had before; else by precedence.
    """
    claims = np.zeros((len(members.images), 2, len(PRECEDENCE)), np.bool_)  # image, whether it was there before, split
    claiming = splits != _UNUSED
    there = (members.before != _NONE).astype(np.int64)
    claims[members.image[claiming], there[claiming], splits[claiming]] = True
    before = members.image_before
    older: npt.NDArray[np.bool_] = claims[:, 1]
    has_older = np.any(older, axis=1, keepdims=True)
    stays = (before != _NONE) & (~has_older[:, 0] | older[np.arange(len(before)), before])
    candidates = np.where(has_older, older, claims.any(axis=1))
    return np.where(stays, before, candidates.argmax(axis=1))


def _fill(members: _Members, splits: Sequence[str], shares: Mapping[str, float], seed: str) -> dict[str, str]:
    """New splits, by group, of those that move so that each split with a share has ``FEWEST`` items or more.

    Only groups that the previous catalogue did not have move, together with those that share an image with them, so
    that nothing straddles. They come by rank: the highest hash first, of those that are not larger than what is lacking
    if there are any. No split gives below ``FEWEST``. A split that cannot be filled takes nothing.
    """
    count = Counter(splits)
    lacking = _lacking(count, shares)
    if not lacking or len(splits) < 2 * FEWEST:  # nothing could be trained and measured as well
        return {}
    clusters = _movable(members, splits)
    clusters.sort(key=lambda cluster: -share_of(min(cluster.groups), seed))
    moved: dict[str, str] = {}
    for split in lacking:
        taken = _taken(clusters, count, split, shares, max(FEWEST, round(shares[split] * len(splits))))
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


def _movable(members: _Members, splits: Sequence[str]) -> list[_Cluster]:
    """Groups joined by images, without those that the previous catalogue knew any item, group or image of."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = len(members.groups) + len(members.images)
    ends = members.group, len(members.groups) + members.image
    graph = coo_array((np.ones(len(splits), np.int8), ends), shape=(nodes, nodes))
    joined = connected_components(graph, directed=False)[1][members.group].tolist()
    known = np.stack([members.before, members.group_before[members.group], members.image_before[members.image]])
    fixed = {name for name, was_there in zip(joined, (known != _NONE).any(axis=0), strict=True) if was_there}
    clusters: dict[int, _Cluster] = defaultdict(_Cluster)
    for group, split, name in zip(members.group, splits, joined, strict=True):
        clusters[name].groups.add(members.groups[group])
        clusters[name].splits[split] += 1
    return [cluster for name, cluster in clusters.items() if name not in fixed]
