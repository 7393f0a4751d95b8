"""Whether a shop is still what it was when it was last read, told without understanding it again.

A night in which nothing changed costs a look at the tables' bytes and at the images' versions, and no more.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from tasks.catalog import image_reader
from tasks.catalog.config import CatalogConfig
from tasks.catalog.image_reader import ImageReader
from tasks.schema import manifest
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles
from tasks.schema.manifest import ArtifactRef, canonical_json
from tasks.schema.progress import Progress

_MOST = 10_000  # answers, or images without a version: a shop with more is read whole each time
_INSIDE_A_TABLE = "embedded://"
_NOT_THE_IMAGE = ("version",)


class Fingerprint(BaseModel):
    """What a catalogue was made of: while all of it is the same, reading the shop again gives the same catalogue."""

    model_config = ConfigDict(frozen=True)
    settings: str  # digest of the config and of the code that reads
    asked: dict[str, str]  # each table and folder that was asked for -> digest of the answer
    images: str  # digest of what was found at every location
    unversioned: tuple[str, ...]  # locations whose version the source does not tell
    parent: str  # id of the catalogue whose splits were kept, "" without one
    catalog: ArtifactRef

    def suits(self, config: CatalogConfig, parent: ArtifactRef | None) -> bool:
        """Whether it is of a reading with this config that kept the splits of ``parent``, or that made it."""
        kept = parent.id if parent else ""
        return self.settings == settings_digest(config) and kept in (self.parent, self.catalog.id)

    def answers(self, files: SourceFiles) -> bool:
        """Whether the source's tables and folders are as they were. Raises SourceUnavailable."""
        watched = WatchedFiles(files)
        return all(watched.ask(call) == answer for call, answer in self.asked.items())

    def look(self, reader: ImageReader, sources: pa.Table, progress: Progress) -> pa.Table:
        """What is now (SOURCES) at every location that ``sources`` knows or that has no version.

        Images inside a table are as they were while the table is.
        """
        is_inside = pc.starts_with(sources["location"], _INSIDE_A_TABLE)
        outside = sources.filter(pc.invert(is_inside))["location"]
        locations = pa.chunked_array([*outside.chunks, pa.array(self.unversioned, pa.string())])
        return pa.concat_tables([reader.read_all(locations, progress), sources.filter(is_inside)])

    def shows(self, images: pa.Table) -> bool:
        """Whether ``images`` (SOURCES) are as they were."""
        return images_digest(images) == self.images


def fingerprint(
    config: CatalogConfig, asked: dict[str, str], images: pa.Table, parent: ArtifactRef | None, catalog: ArtifactRef
) -> Fingerprint | None:
    """Of a reading that found ``images`` (SOURCES); None of a shop that tells too little to be recognised by."""
    unversioned = images.filter(pc.equal(images["version"], ""))["location"].to_pylist()
    if len(unversioned) > _MOST or len(asked) > _MOST:
        return None
    return Fingerprint(
        settings=settings_digest(config),
        asked=asked,
        images=images_digest(images),
        unversioned=tuple(unversioned),
        parent=parent.id if parent else "",
        catalog=catalog,
    )


class WatchedFiles:
    """A shop's files; ``asked`` notes each table that is read and each folder that is listed, with its answer."""

    def __init__(self, files: SourceFiles) -> None:
        self.root, self._files = files.root, files
        self.asked: dict[str, str] = {}

    def read(self, uri: str, limit_bytes: int | None = None) -> bytes:
        """As `SourceFiles.read`."""
        call = self._note("read", uri)
        data = self._files.read(uri, limit_bytes)
        self.asked[call] = hashlib.sha256(data).hexdigest()
        return data

    def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
        """As `SourceFiles.read_changed`."""
        return self._files.read_changed(uri, version, limit_bytes)

    def versions(self, uris: Sequence[str]) -> Sequence[str]:
        """As `SourceFiles.versions`."""
        return self._files.versions(uris)

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """As `SourceFiles.list`."""
        call = self._note("list", folder, suffix)
        names = self._files.list(folder, suffix)
        self.asked[call] = _digest(canonical_json(names))
        return names

    def ask(self, call: str) -> str:
        """The digest of the answer to a call that `asked` has, "" where it is refused."""
        kind, *arguments = json.loads(call)
        with suppress(SourceMissing, SourceRefused):
            _ = self.read(*arguments) if kind == "read" else self.list(*arguments)
        return self.asked[call]

    def _note(self, *call: str) -> str:
        name = canonical_json(call)
        self.asked[name] = ""  # until it is answered
        return name


def settings_digest(config: CatalogConfig) -> str:
    """Of everything that decides what a shop is read as, but for the shop."""
    settings = config.model_dump(mode="json", exclude={"reread_pictures", "picture_threads"})
    return _digest(canonical_json([settings, _code_digest()]))


@cache
def _code_digest() -> str:
    """Of the code that reads shops: another version may read one otherwise."""
    folders = (Path(module.__file__ or "").parent for module in (image_reader, manifest))
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return _digest("".join(file.read_text("utf-8") for file in files))


def images_digest(images: pa.Table) -> str:
    """Of what was found at every location (SOURCES), whatever the order and the versions."""
    table = images.drop_columns(_NOT_THE_IMAGE).sort_by("location").combine_chunks()
    sink = _Hash()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as stream:
        stream.write_table(table, max_chunksize=65_536)
    return sink.sha256.hexdigest()


class _Hash:
    """A file that keeps nothing of what is written but its hash."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
