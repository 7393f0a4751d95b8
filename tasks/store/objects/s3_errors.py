"""What an error of botocore, aiobotocore or s3fs means for the caller."""

import errno
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from tasks.schema.errors import ArtifactMissing, ProductSearchError, StoreUnavailable, TerminalError

_THROTTLED = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "TooManyRequests",
}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def _chain(error: BaseException | None) -> list[BaseException]:
    # s3fs turns a ClientError into an OSError and keeps it as the cause.
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _answer(error: BaseException) -> dict[str, Any] | None:
    for link in _chain(error):
        if isinstance(link, ClientError):
            return dict(link.response)
    return None


def status_of(error: BaseException) -> int | None:
    """HTTP status the server answered with, None where it did not answer."""
    answer = _answer(error)
    status = (answer or {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None if status is None else int(status)


def translated(error: BaseException, url: str) -> ProductSearchError:
    """The product's own error for ``error`` at ``url``. Names the finding and the next action, never a secret."""
    if isinstance(error, ProductSearchError):
        return error
    answer, status = _answer(error), status_of(error)
    code = str((answer or {}).get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket":
        return TerminalError(f"{url}: the bucket does not exist; create it or correct STORE_URI")
    if status == 404 or code in ("NoSuchKey", "404") or (answer is None and isinstance(error, FileNotFoundError)):
        return ArtifactMissing(f"nothing is stored at {url}")
    if status in (408, 429) or code in _THROTTLED or (status is not None and status >= 500):
        return StoreUnavailable(f"{url}: the server answered {status} {code}; it may recover, try again")
    if status in (401, 403) or isinstance(error, PermissionError):
        return TerminalError(
            f"{url}: access was refused ({status} {code}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the "
            "bucket's policy (read, write, list, delete)"
        )
    if any(isinstance(link, NoCredentialsError | PartialCredentialsError) for link in _chain(error)):
        return TerminalError(f"{url}: no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if answer is not None:
        return TerminalError(f"{url}: the server answered {status} {code}; check AWS_ENDPOINT_URL and AWS_REGION")
    if isinstance(error, OSError) and error.errno in _DISK:
        return TerminalError(f"{url}: {error.strerror}; free space below STORE_CACHE or the temporary folder")
    if isinstance(error, OSError | TimeoutError | BotoCoreError) or "aiohttp" in type(error).__module__:
        return StoreUnavailable(f"{url}: no answer ({type(error).__name__}: {error}); check that the server runs")
    return TerminalError(f"{url}: {type(error).__name__}: {error}")
