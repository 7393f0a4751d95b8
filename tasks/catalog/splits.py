"""Which items to train on, choose by, and measure on: stable as the shop grows, and without leaks.

Two promises hold for the splits train, val and test: no group has items in two of them, and no image has.
What would break a promise becomes "unused": it can be searched, and is neither trained nor measured on.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: Who keeps an item or an image that two splits claim. Test first: it is the smallest and the figures rest on it.
PRECEDENCE = ("test", "val", "train")


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
    split its group already has, else the one its group's hash falls in.
    """
    known = known or Known()
    groups = _group_splits(members, seed, train, val, known)
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
