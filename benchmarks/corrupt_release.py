"""Every byte of a published release flipped or cut off is caught before it is served, and mended damage is taken.

python -m benchmarks.corrupt_release                 # six minutes of processor time
python -m benchmarks.corrupt_release --examples 2

Three places: the files of a release in the store (manifests, record and live pointer among them), the copies of it on
this machine, which rot after they were checked, and stored images. Hypothesis chooses offsets, the ends of a file
first. Records are small: there each byte is tried. Exits with 1 where damage was served, or a mended file was not.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.serving.images import ImageCache
from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.serving.snapshot import refs_of
from app.settings import AppSettings
from benchmarks.harness.made_up_shop import CHANNEL, MadeUpShop
from tasks.schema.errors import ArtifactCorrupt, StoreUnavailable
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.store.objects.checksum import verify_checksum
from tasks.store.objects.folder import FolderObjects
from tasks.store.objects.store import Store

SETTINGS = AppSettings(poll_seconds=0.001, device="cpu", channel=CHANNEL)
_IMAGE_BYTES = 900  # every made-up image has more
_MASKS = (0x01, 0x20, 0x80, 0xFF)


@dataclass(frozen=True)
class Damage:
    """What happens to a file: ``mask`` is put on the byte at ``offset``, or (None) the file ends there."""

    offset: int
    mask: int | None

    def done_to(self, content: bytes) -> bytes:
        """The damaged bytes."""
        if self.mask is None:
            return content[: self.offset]
        changed = content[self.offset] ^ self.mask
        return content[: self.offset] + bytes([changed]) + content[self.offset + 1 :]


def damages(size: int) -> st.SearchStrategy[Damage]:
    """Any damage to a file of ``size`` bytes; its first and last bytes often."""
    ends = sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size)))
    offsets = st.one_of(st.sampled_from(ends), st.integers(0, size - 1))
    return st.builds(Damage, offsets, st.one_of(st.none(), st.integers(1, 255)))


class SilentObjects(FolderObjects):
    """A store that does not answer."""

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        """Raises StoreUnavailable."""
        raise StoreUnavailable("the store does not answer")


@dataclass
class Trial:
    """A shop with two releases that share nothing, a reader, and what was found."""

    shop: MadeUpShop
    old: Release
    new: Release
    tried: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path) -> "Trial":
        """Two releases with every part there can be."""
        shop = MadeUpShop(root, items=200)
        old = shop.release("old", shop.model("m-old", 1), shop.index("old", 1))
        new = shop.release(
            "new", shop.model("m-new", 2), shop.index("new", 2), shop.classifier("c-new"), shop.words("new")
        )
        return cls(shop, old, shop.taken_down(new, ["new-000000"]))

    @property
    def parts(self) -> list[ArtifactRef]:
        """Every artifact of the new release that a reader opens."""
        return list(refs_of(self.new).values())

    @property
    def stored(self) -> list[Path]:
        """Every file of the new release in the store, in the order a reader meets them."""
        root = self.shop.root / "store"
        files = [path for ref in self.parts for path in sorted((root / ref.folder).iterdir())]
        return [root / f"live/{CHANNEL}.json", root / f"releases/{self.new.id}.json", *files]

    def expect(self, met: bool, what: str) -> None:
        """Note what should have been and was not."""
        if not met:
            self.missed.append(what)

    @contextmanager
    def reader(self, store: Store | None = None) -> Iterator[Live]:
        """A reader that has looked once."""
        cache = self.shop.settings.store_cache
        live = Live(store or self.shop.store, SETTINGS, LastKnownGood(cache, CHANNEL))
        live.check()
        yield live
        live.stop()


def serves(live: Live, release: Release) -> bool:
    """Whether the reader answers from ``release``."""
    snapshot = live.status().snapshot
    return snapshot is not None and snapshot.release.id == release.id


def takes(live: Live, release: Release, seconds: float = 10) -> bool:
    """Whether the reader comes to answer from ``release``; a refused one is tried again after a pause."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        live.check()
        if serves(live, release):
            return True
        time.sleep(0.002)
    return False


def explains(live: Live) -> bool:
    """Whether the reader says that something is wrong, and what."""
    status = live.status()
    return bool(status.store_error or (status.refused and status.refused.reason))


def in_the_store(trial: Trial, file: Path, damage: Damage, live: Live) -> None:
    """Damage one stored file of the next release: the old one stays, and the next is taken once the file is mended."""
    name = f"{file.relative_to(trial.shop.root / 'store')} {damage}"
    trial.shop.publish(trial.old)
    trial.expect(takes(live, trial.old), f"{name}: the old release was not taken before")
    _forget_copies(trial)
    trial.shop.publish(trial.new)  # before the damage: a publisher would have found some of it
    good = file.read_bytes()
    within = Damage(min(damage.offset, len(good) - 1), damage.mask)  # the pointer's length varies by a digit or two
    file.write_bytes(within.done_to(good))
    live.check()
    trial.expect(serves(live, trial.old), f"{name}: served")
    trial.expect(explains(live), f"{name}: not told why")
    file.write_bytes(good)
    trial.expect(takes(live, trial.new), f"{name}: not taken once mended")
    trial.expect(not explains(live), f"{name}: still complained about")
    trial.tried["files in the store"] += 1


def _forget_copies(trial: Trial) -> None:
    for ref in trial.parts:
        shutil.rmtree(trial.shop.settings.store_cache / ref.folder, ignore_errors=True)


def on_this_machine(trial: Trial, file: Path, damage: Damage) -> None:
    """Damage a copy after it was checked, unseen by size and time where it can be, and start anew.

    With the store, the copy is fetched again; without it, the copy is not served, and is once it is mended.
    """
    name = f"{file.relative_to(trial.shop.settings.store_cache)} {damage}"
    good, times = file.read_bytes(), file.stat()

    def rot(content: bytes) -> None:
        with file.open("r+b") as opened:  # in place: the inode stays
            opened.write(content)
            opened.truncate()
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    rot(damage.done_to(good))
    silent = Store(SilentObjects(trial.shop.root / "store"), trial.shop.settings)
    with trial.reader(silent) as live:
        trial.expect(live.status().snapshot is None, f"{name}: served without the store")
        trial.expect(explains(live), f"{name}: not told why")
        rot(good)
        trial.expect(takes(live, trial.new), f"{name}: not taken once mended")
    rot(damage.done_to(good))
    with trial.reader() as live:
        trial.expect(serves(live, trial.new), f"{name}: not fetched again")
        trial.expect(file.read_bytes() == good, f"{name}: still damaged")
    trial.tried["copies on this machine"] += 1


def copies(trial: Trial) -> list[Path]:
    """Every file that a cold start without the store reads."""
    cache = trial.shop.settings.store_cache
    found = [path for ref in trial.parts for path in sorted((cache / ref.folder).glob("*/*"))]
    return [*(path for path in found if not path.name.startswith(".")), cache / f"app/{CHANNEL}.json"]


def in_an_image(trial: Trial, damage: Damage) -> None:
    """Damage a stored image: it is refused, not shown."""
    sha256 = trial.shop.images[0]
    file = trial.shop.root / f"store/images/{sha256[:2]}/{sha256}.jpg"
    good = file.read_bytes()
    file.write_bytes(damage.done_to(good))
    try:
        ImageCache(trial.shop.store, 1_000_000).read(sha256)
        trial.expect(False, f"image {damage}: shown")
    except ArtifactCorrupt:
        pass
    finally:
        file.write_bytes(good)
    trial.tried["images"] += 1


def in_every_byte_of_a_record(trial: Trial) -> None:
    """Flip each byte of each record of the release, and cut each record at each byte."""
    records = [file for file in trial.stored if file.name == "manifest.json"]
    for file in [*records, *trial.stored[:2]]:
        good = file.read_bytes()
        for offset in range(len(good)):
            for mask in (None, *_MASKS):
                try:
                    verify_checksum(Damage(offset, mask).done_to(good), file.name)
                    trial.expect(False, f"{file} byte {offset} {mask}: taken")
                except ArtifactCorrupt:
                    trial.tried["bytes of records"] += 1


def sampled(size: int, examples: int, check: Callable[[Damage], None]) -> None:
    """Let hypothesis choose ``examples`` damages to a file of ``size`` bytes."""

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(damages(size))
    def run(damage: Damage) -> None:
        check(damage)

    run()


def run(root: Path, examples: int) -> Trial:
    """Every kind of damage, ``examples`` times to each file."""
    trial = Trial.of(root)
    trial.shop.publish(trial.old)
    with trial.reader() as live:
        for file in trial.stored:
            size = file.stat().st_size
            sampled(size, examples, lambda damage, file=file: in_the_store(trial, file, damage, live))  # type: ignore[misc]
    for file in copies(trial):
        size = file.stat().st_size
        sampled(size, examples, lambda damage, file=file: on_this_machine(trial, file, damage))  # type: ignore[misc]
    sampled(_IMAGE_BYTES, 4 * examples, lambda damage: in_an_image(trial, damage))
    in_every_byte_of_a_record(trial)
    return trial


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=30, help="damages to each file")
    chosen = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # the reader reports every one of thousands of faults
    with tempfile.TemporaryDirectory(prefix="corrupt-release-") as folder:
        trial = run(Path(folder), chosen.examples)
        print(f"files of the release  {len(trial.stored)} in the store, {len(copies(trial))} on this machine")
    for place, count in trial.tried.items():
        print(f"damages               {count} to {place}")
    print(f"served or not mended  {len(trial.missed)}")
    for what in trial.missed[:10]:
        print(f"  {what}")
    print("FAILED" if trial.missed else "PASSED")
    return 1 if trial.missed else 0


if __name__ == "__main__":
    sys.exit(main())
