"""Records that tell when a byte of them was changed: manifests, releases and live pointers end with their own sha256.

Files are vouched for by a manifest; nothing else vouches for the records themselves, and a changed digit in one is
JSON as good as any.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from tasks.schema.errors import ArtifactCorrupt
from tasks.store.objects.store import dump_json, parse_json

_END = b"\n}\n"
_SEAL = re.compile(rb',\n  "seal": "([0-9a-f]{64})"\n\}\n\Z')


def seal(record: Mapping[str, Any]) -> bytes:
    """JSON bytes of ``record`` with one more field at the end: the sha256 of the bytes without it."""
    data = dump_json(dict(record))
    digest = hashlib.sha256(data).hexdigest()
    return data.removesuffix(_END) + f',\n  "seal": "{digest}"\n}}\n'.encode()


def unseal(data: bytes, url: str) -> Any:
    """The record in ``data``, if every byte is as it was written. Raises ArtifactCorrupt naming ``url``."""
    found = _SEAL.search(data)
    if found is None:
        record = parse_json(data, url)
        # Written before there were seals. Any later record must have one: a damaged seal would pass for none.
        if isinstance(record, dict) and record.get("schema_version") == 1:
            return record
        raise ArtifactCorrupt(
            f"{url} has lost its seal: it was changed or cut short; restore it, or make it anew with refresh"
        )
    record = data[: found.start()] + _END
    if hashlib.sha256(record).hexdigest().encode() != found[1]:
        raise ArtifactCorrupt(
            f"{url} does not match its seal: it was changed; restore it, or make it anew with refresh"
        )
    return parse_json(record, url)
