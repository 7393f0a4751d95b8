"""A release as a folder for others: the files of the original project, and the model with its card for a hub."""

import fnmatch
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.schema.errors import ArtifactMissing, ConfigError, TerminalError
from tasks.schema.progress import Progress
from tasks.schema.release import Release
from tasks.stages import original_layout as layout
from tasks.stages.model_cards import write_hub_folder
from tasks.stages.original_layout import Export
from tasks.store.artifacts.claims import claimed
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import FOLDER, check_complete, read_release

LIVE, README = "live", "README.txt"
_CONTENTS = {
    layout.CHECKPOINT: "weights; torch.load(weights_only=True), as model_state and as state_dict",
    layout.METRICS.format(
        split="*", of=""
    ): "recall and MRR of a split, its own image being right; _baseline: of the start",
    layout.INDEX: "FAISS index, inner product of unit vectors; the number it returns is a row of the two below",
    layout.META: "row i is the product of number i; image_path is below this folder, or below the store's root",
    layout.VECTORS: "float32, row i is the unit vector of number i",
    layout.CLASSIFIER: "fc.weight, fc.bias and labels: the same ranking of classes as head.safetensors beside it",
    layout.PER_CLASS: "precision, recall and F1 of each class on the test split",
    layout.CONFIG: "the model for the original's programs: run them with this folder as the working folder",
    f"{layout.HUB}/*": "the model as OpenCLIP loads it (local-dir:hub), with its card: ready to be pushed to a hub",
}


@dataclass(frozen=True)
class Exported:
    """What was written: path below ``folder`` -> bytes (images apart), and what the release ``lacks``, in words."""

    release: str
    folder: str
    files: dict[str, int]
    lacks: tuple[str, ...]


def export_release(
    store: Store, name: str, channel: str, folder: str, license_id: str, images: bool, progress: Progress
) -> Exported:
    """Write the release ``name`` (an id, or 'live': what ``channel`` serves) into ``folder``: all of it, or nothing.

    Raises ConfigError where ``folder`` holds anything, ArtifactMissing where there is no such release or it is not
    whole, TerminalError where the folder cannot be written.
    """
    target = Path(folder).expanduser().absolute()
    _refuse_used(target)
    release_id = _live(store, channel) if name == LIVE else name
    with claimed(store, [f"{FOLDER}/{release_id}"]):
        release = read_release(store, release_id)
        check_complete(store, release)
        with _beside(target) as out:
            _require_space(store, release, out)
            export = Export(store, release, out)
            write_hub_folder(store, release, license_id, export.path(layout.HUB))
            lacks = [*release.notes, *_write(export, images, progress)]
            sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*") if path.is_file()}
            files = {path: size for path, size in sorted(sizes.items()) if not path.startswith("images/")}
            (out / README).write_text(_readme(release, [*files], lacks), encoding="utf-8")
    return Exported(release_id, str(target), files, tuple(lacks))


def _write(export: Export, images: bool, progress: Progress) -> list[str]:
    steps: list[Callable[[], list[str]]] = [
        export.checkpoint, export.index, export.vectors, export.metrics, export.classifier,
    ]  # fmt: skip
    if images:
        steps.append(export.images)
    lacks = []
    for done, step in enumerate(steps):
        progress(done / len(steps), step.__name__)
        lacks += step()
    return lacks


def _live(store: Store, channel: str) -> str:
    state = read_live(store, channel)
    if state is None:
        raise ArtifactMissing(
            f"Nothing is live on channel {channel!r} of {store.root}: name a release, or run the pipeline first."
        )
    return state.pointer.release


def _refuse_used(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        found = "holds files already" if target.is_dir() else "is a file"
        raise ConfigError(f"{target} {found}, and nothing is overwritten: name a new folder, or empty this one first.")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that takes its name at the end; after a failure there is neither."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            yield made
            _refuse_used(target)  # somebody else may have filled it meanwhile
            made.replace(target)
    except OSError as error:
        raise TerminalError(
            f"{target} cannot be written ({error}): free space there, or name another folder."
        ) from error


def _require_space(store: Store, release: Release, place: Path) -> None:
    """Known before anything is written: FAISS and torch do not say that a disk is full."""
    model, index = (load_manifest(store, ref) for ref in (release.model, release.index))
    stored = [sum(file.size for file in manifest.files) for manifest in (model, model, index)]
    need = sum(stored) + 4 * int(index.summary["items"]) * int(index.summary["dim"])
    free = shutil.disk_usage(place).free
    if free < need:
        raise TerminalError(
            f"{place.parents[1]} has {free / 1e9:.1f} GB left, release {release.id} needs {need / 1e9:.1f} GB there: "
            "free space, or name another folder."
        )


def _readme(release: Release, files: Sequence[str], lacks: Sequence[str]) -> str:
    there = {path: words for path, words in _CONTENTS.items() if fnmatch.filter(files, path)}
    lines = [f"Release {release.id} of {release.created_at:%Y-%m-%d}, {release.items} products.", ""]
    for path, words in there.items():
        lines += [path, f"    {words}"]
    lines += ["", "Not in here, or not as in the release:" if lacks else "Nothing of the release is left out."]
    return "\n".join([*lines, *(f"  - {words}" for words in lacks), ""])
