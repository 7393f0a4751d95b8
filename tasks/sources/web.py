"""Images and tables that a shop names by http(s) URL: polite to its server, and bounded in time and size."""

import email.utils
import ipaddress
import random
import socket
import threading
import time
import urllib.request
from collections import defaultdict
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import httpx

from tasks.schema.errors import SourceMissing, SourceRefused, SourceUnavailable
from tasks.schema.files import Reading
from tasks.sources.settings import SourceSettings

_AT_ONCE = 4  # requests to one host
_TRIES = 4
_REDIRECTS = 5
_LONGEST_PAUSE = 30.0  # seconds; a server that asks for more is asked again on another run
_CONDITIONS = {"etag": "If-None-Match", "modified": "If-Modified-Since"}
_GONE = {401, 403, 404, 410, 451}


class WebImages:
    """Reads URLs. Thread-safe; at most four requests at once to one host, and none while it asked for a pause."""

    def __init__(
        self,
        connect: float = 5.0,
        read: float = 15.0,
        total: float = 60.0,
        table: float = 1800.0,
        settings: SourceSettings | None = None,
    ) -> None:
        self._seconds = {False: table, True: total}  # by whether there is a limit of bytes: a table has none
        self._settings = settings or SourceSettings()
        timeout = httpx.Timeout(read, connect=connect, pool=None)
        # identity: an image does not shrink, and a small answer must not unpack to a huge one.
        headers = {
            "User-Agent": self._settings.user_agent,
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        self._client = httpx.Client(timeout=timeout, headers=headers)
        self._slots: dict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(_AT_ONCE))
        self._not_before: dict[str, float] = {}
        self._answered: dict[str, float] = {}  # host -> when it last served a complete image
        self._lock = threading.Lock()

    def read(self, url: str, limit_bytes: int | None = None) -> bytes:
        """Bytes at ``url``.

        Raises SourceMissing (the server says it is not there or not for us, or redirects for ever), SourceRefused
        (over the limit, an address that no shop has), SourceUnavailable (429, 5xx or no answer after four tries).
        """
        return self.read_changed(url, "", limit_bytes).data or b""

    def read_changed(self, url: str, version: str, limit_bytes: int | None = None) -> Reading:
        """Bytes and version at ``url`` by a conditional request: no bytes where it still has ``version``.

        Raises as `read`. The version is the answer's ETag, else its Last-Modified, else "".
        """
        try:
            host = urlsplit(url).netloc
        except ValueError as error:
            raise _no_url(url, error) from error
        began = time.monotonic()
        for attempt in range(_TRIES):
            try:
                found = self._follow(url, version, limit_bytes)
                self._answered[host] = time.monotonic()
                return found
            except _Later as later:
                pause = later.seconds if later.seconds is not None else random.uniform(0.2, 0.5) * 2**attempt
                if attempt == _TRIES - 1 or pause > _LONGEST_PAUSE:
                    raise self._given_up(url, host, began, later) from later
                if later.is_about_host:
                    self._hold(host, pause)
                else:
                    time.sleep(pause)
        raise AssertionError("unreachable")

    def _given_up(self, url: str, host: str, began: float, later: "_Later") -> Exception:
        # One image that fails for ever must not stop a night's run, but a shop that is down must.
        if not later.is_about_host and self._answered.get(host, -1.0) > began:
            return SourceMissing(f"{url}: {later} each time, while {host} answers other requests; check this picture")
        return SourceUnavailable(f"{url}: {later}; the server may recover, run again later")

    def _follow(self, url: str, version: str, limit_bytes: int | None) -> Reading:
        deadline = time.monotonic() + self._seconds[limit_bytes is not None]
        here = url
        for _ in range(_REDIRECTS + 1):
            found = self._get(here, url, version, limit_bytes, deadline)
            if isinstance(found, Reading):
                return found
            here = urljoin(here, found)
        raise SourceMissing(f"{url}: more than {_REDIRECTS} redirects, the last to {here!r:.120}; give the final URL")

    def _get(self, url: str, named: str, version: str, limit_bytes: int | None, deadline: float) -> Reading | str:
        """What the server answered, or the address of a redirect."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _no_url(named, error) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceRefused(f"{named}: leads to {url!r:.120}; only http and https are followed")
        if _is_link_local(parts.hostname, named):
            raise SourceRefused(f"{named}: {parts.hostname} is link-local (a cloud's metadata service), not a shop")
        headers = self._settings.headers_for(url, named) | _condition(version)
        try:
            with self._slot(parts.netloc), self._client.stream("GET", url, headers=headers) as answer:
                if version and answer.status_code == 304:
                    return Reading(None, version)
                if answer.status_code in (301, 302, 303, 307, 308) and "location" in answer.headers:
                    return str(answer.headers["location"])
                _check(answer, named)
                return Reading(_body(answer, named, limit_bytes, deadline), _version(answer))
        except httpx.TransportError as error:
            raise _Later(f"no answer ({type(error).__name__})") from error
        except (httpx.InvalidURL, ValueError) as error:
            raise _no_url(named, error) from error

    def _slot(self, host: str) -> threading.BoundedSemaphore:
        with self._lock:
            slot = self._slots[host]
            pause = self._not_before.get(host, 0.0) - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        return slot

    def _hold(self, host: str, seconds: float) -> None:
        with self._lock:
            self._not_before[host] = max(self._not_before.get(host, 0.0), time.monotonic() + seconds)


class WebRoot:
    """Files below the address of a folder on the web: those that are named, as a server lists none."""

    def __init__(self, uri: str, web: WebImages) -> None:
        self.uri, self._web = uri.rstrip("/"), web

    def address(self, path: str) -> str:
        """The address of a relative path. Raises SourceRefused where it leads to another folder or host."""
        found = urljoin(f"{self.uri}/", path)
        if not found.startswith(f"{self.uri}/"):
            raise SourceRefused(f"{path!r:.200} leads out of {self.uri}; name a file below it, or give its whole URL")
        return found

    def holds(self, uri: str) -> str | None:
        return uri.removeprefix(f"{self.uri}/") if uri.startswith(f"{self.uri}/") else None

    def read(self, path: str, limit_bytes: int | None) -> bytes:
        return self._web.read(self.address(path), limit_bytes)

    def version(self, path: str) -> str:
        return ""  # asked with the bytes, in one conditional request

    def list(self, folder: str, suffix: str) -> list[str]:
        raise SourceRefused(
            f"{self.uri} is a web address, which lists no files; name one table, as {self.uri}/feed.csv"
        )


class _Later(Exception):
    """The same request may succeed later, after ``seconds`` where the server said so."""

    def __init__(self, message: str, seconds: float | None = None, is_about_host: bool = False) -> None:
        super().__init__(message)
        self.seconds, self.is_about_host = seconds, is_about_host


def _check(answer: httpx.Response, named: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in (408, 425, 429) or status >= 500:
        pause = _retry_after(answer.headers.get("retry-after"))
        raise _Later(f"the server answered {status}", pause, is_about_host=status == 429 or pause is not None)
    if status in _GONE:
        raise SourceMissing(f"{named}: the server answered {status}; check the URL and whether it is public")
    raise SourceMissing(f"{named}: the server answered {status}, expected 200; check the URL")


def _condition(version: str) -> dict[str, str]:
    kind, _, value = version.partition(" ")
    return {_CONDITIONS[kind]: value} if kind in _CONDITIONS else {}


def _version(answer: httpx.Response) -> str:
    etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
    if etag:
        return f"etag {etag}"
    # An image written in the second of the answer may be written again in that second.
    return f"modified {modified}" if modified and modified != answer.headers.get("date") else ""


def _body(answer: httpx.Response, named: str, limit_bytes: int | None, deadline: float) -> bytes:
    declared = answer.headers.get("content-length", "")
    if limit_bytes is not None and declared.isdigit() and int(declared) > limit_bytes:
        raise _too_large(named, limit_bytes)
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if limit_bytes is not None and len(body) > limit_bytes:  # a length may be absent or wrong
            raise _too_large(named, limit_bytes)
        if time.monotonic() > deadline:  # one byte every few seconds never times out by itself
            raise _Later("the answer took too long")
    return bytes(body)


def _no_url(named: str, error: Exception) -> SourceMissing:
    return SourceMissing(f"{named!r:.200} is no URL ({error}); correct the row")


def _too_large(named: str, limit_bytes: int) -> SourceRefused:
    return SourceRefused(f"{named} is larger than the limit of {limit_bytes} bytes; raise the limit or shrink the file")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or a date), None where it says nothing useful."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _is_link_local(host: str, named: str) -> bool:
    """Tell whether ``host`` resolves to a link-local address. Raises SourceMissing where no such name exists."""
    if urllib.request.getproxies().keys() & {"http", "https", "all"}:
        return False  # the proxy resolves names, and decides what may be reached
    try:
        return any(ipaddress.ip_address(address).is_link_local for address in _addresses(host))
    except UnicodeError as error:
        raise _no_url(named, error) from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise _Later(f"the name {host} could not be looked up now") from error
        raise SourceMissing(f"{named}: no host is called {host!r:.100}; correct the row") from error


@lru_cache(maxsize=1024)
def _addresses(host: str) -> tuple[str, ...]:
    return tuple({str(entry[4][0]).split("%")[0] for entry in socket.getaddrinfo(host, None)})
