"""The seam between a catalogue source and wherever its files lie (a folder, object storage, the web)."""

from typing import Protocol


class SourceFiles(Protocol):
    """Read-only files of one shop below one root. Implemented in `tasks/store/source.py`."""

    root: str

    def read(self, uri: str, limit_bytes: int | None = None) -> bytes:
        """Bytes at ``uri``: absolute (file, s3, http, https) or relative to the root.

        Raises SourceMissing, SourceRefused (outside the root, over the limit), SourceUnavailable (worth a retry).
        """
        ...

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Names relative to the root of the files directly in ``folder``, sorted."""
        ...
