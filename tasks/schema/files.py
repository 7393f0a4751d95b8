"""The seam between a catalogue source and wherever its files lie (a folder, object storage, the web)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tasks.schema.errors import SourceRefused


class Reading(NamedTuple):
    """What a look at a file found.

    ``data`` is None where the file still has the version that was named. ``version`` is a tag that changes whenever
    the bytes do (size and time of a local file, ETag of an object), "" where the source has none to trust.
    """

    data: bytes | None
    version: str


class SourceFiles(Protocol):
    """Read-only files of one shop below one root. Implemented in `tasks/sources/shop.py`."""

    root: str

    def read(self, uri: str, limit_bytes: int | None = None) -> bytes:
        """Bytes at ``uri``: absolute (file, s3, http, https) or relative to the root.

        Raises SourceMissing, SourceRefused (outside the root, over the limit), SourceUnavailable (worth a retry).
        """
        ...

    def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
        """As `read`, but without the bytes where the file still has ``version`` ("" always reads). Raises as `read`."""
        ...

    def versions(self, uris: Sequence[str]) -> Sequence[str]:
        """The version of each file as `read_changed` has it; "" where that takes a request each, or it is gone."""
        ...

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Names relative to the root of the files directly in ``folder``, sorted."""
        ...


def within(data: bytes, limit_bytes: int | None, name: str) -> bytes:
    """``data`` if it keeps the limit. Raises SourceRefused naming the file."""
    if limit_bytes is not None and len(data) > limit_bytes:
        raise SourceRefused(f"{name} is larger than the limit of {limit_bytes} bytes; raise it or shrink the file")
    return data
