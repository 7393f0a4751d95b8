"""A shop's own files in a local folder."""

import os
import posixpath
import stat
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.schema.errors import SourceMissing, SourceRefused, SourceUnavailable
from tasks.schema.files import within

_CLOCK_TICK = 2.0  # seconds; two writes within one tick of a file system's clock have the same time


class FolderRoot:
    """Files below a local folder. A link that leads out of it is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.uri = str(folder)
        self._named = folder
        self._resolved_once = lru_cache(maxsize=4096)(self._resolved)  # of folders: a look at a file takes no more

    def holds(self, uri: str) -> str | None:
        """Path below the folder of an absolute path or file:// URI, None where it is elsewhere."""
        parts = urlsplit(uri)
        if parts.scheme and parts.scheme.lower() != "file":
            return None
        path = Path(os.path.normpath(unquote(parts.path) if parts.scheme else uri.replace("\\", "/")))
        for top in (self._named, self.folder):
            if path.is_relative_to(top):
                return path.relative_to(top).as_posix()
        return None

    def read(self, path: str, limit_bytes: int | None) -> bytes:
        target = self._resolved(path)
        try:
            with target.open("rb") as file:
                data = file.read(-1 if limit_bytes is None else limit_bytes + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise SourceMissing(f"{target} is not there; check the row's path") from error
        except PermissionError as error:
            raise SourceMissing(f"{target} may not be read; give this user the right to") from error
        except OSError as error:
            raise SourceUnavailable(f"{target}: {error.strerror}; the file system may recover, try again") from error
        return within(data, limit_bytes, str(target))

    def version(self, path: str) -> str:
        """Size and time of the last write; "" without a file, or where the next write may look the same."""
        folder, name = posixpath.split(path)
        try:
            found = os.lstat(f"{self._resolved_once(folder)}/{name}")
            if stat.S_ISLNK(found.st_mode):
                found = self._resolved(path).stat()
        except (OSError, ValueError):
            return ""
        settled = time.time() - found.st_mtime > _CLOCK_TICK
        return f"{found.st_size}-{found.st_mtime_ns}" if settled else ""

    def list(self, folder: str, suffix: str) -> list[str]:
        target = self._resolved(folder or ".")
        try:
            names = sorted(entry.name for entry in os.scandir(target) if entry.is_file())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceMissing(f"{target} is not there; check the source's layout") from error
        return [posixpath.join(folder, name) for name in names if name.endswith(suffix)]

    def _resolved(self, path: str) -> Path:
        try:
            target = (self.folder / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL
            raise SourceRefused(f"{path!r:.200} cannot be followed: {error}") from error
        if not target.is_relative_to(self.folder):
            raise SourceRefused(f"{path!r:.200} leads out of {self.folder} through a link; copy the file into the root")
        return target
