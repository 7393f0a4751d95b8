"""One place that a shop's files may be read from."""

from typing import Protocol


class Root(Protocol):
    """One place that files may be read from."""

    uri: str

    def holds(self, uri: str) -> str | None:
        """Path relative to the root of what ``uri`` names, None where it is elsewhere."""
        ...

    def read(self, path: str, limit_bytes: int | None) -> bytes:
        """Bytes of a file. Raises SourceMissing, SourceRefused (over the limit), SourceUnavailable."""
        ...

    def version(self, path: str) -> str:
        """A tag that changes when the file does; "" where there is none to rely on."""
        ...

    def list(self, folder: str, suffix: str) -> list[str]:
        """Sorted paths of the files directly in ``folder`` whose names end with ``suffix``. Raises SourceMissing."""
        ...
