"""JSON records that end with their own sha256: manifests, releases, live pointers.

A manifest holds the checksums of files. Nothing else protects the records themselves, and a record with one changed
digit is still valid JSON.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.schema.errors import ArtifactCorrupt
from tasks.store.objects.store import dump_json, parse_json

M = TypeVar("M", bound=BaseModel)
_END = b"\n}\n"
_CHECKSUM = re.compile(rb',\n  "seal": "([0-9a-f]{64})"\n\}\n\Z')


def add_checksum(record: Mapping[str, Any]) -> bytes:
    """JSON bytes of ``record`` with one more field at the end: the sha256 of the bytes without it."""
    data = dump_json(dict(record))
    digest = hashlib.sha256(data).hexdigest()
    return data.removesuffix(_END) + f',\n  "seal": "{digest}"\n}}\n'.encode()


def verify_checksum(data: bytes, url: str) -> Any:
    """The record in ``data``, if every byte is as it was written. Raises ArtifactCorrupt naming ``url``."""
    found = _CHECKSUM.search(data)
    if found is None:
        record = parse_json(data, url)
        # Version 1 had no checksum. Any later record must have one, or a damaged checksum would pass for none.
        if isinstance(record, dict) and record.get("schema_version") == 1:
            return record
        raise ArtifactCorrupt(
            f"{url} has no checksum: it was changed or cut short; restore it, or make it again with refresh"
        )
    record = data[: found.start()] + _END
    if hashlib.sha256(record).hexdigest().encode() != found[1]:
        raise ArtifactCorrupt(
            f"{url} does not match its checksum: it was changed; restore it, or make it again with refresh"
        )
    return parse_json(record, url)


def verify_record(data: bytes, url: str, schema: type[M], remedy: str) -> M:
    """The record in ``data`` as a ``schema``. Raises ArtifactCorrupt naming ``url``, the fault and the ``remedy``."""
    try:
        return schema.model_validate(verify_checksum(data, url))
    except ValidationError as error:
        raise ArtifactCorrupt(
            f"{url} is not a {schema.__name__} of this version ({error.error_count()} faults, first: "
            f"{error.errors()[0]['msg']}); {remedy}"
        ) from error
