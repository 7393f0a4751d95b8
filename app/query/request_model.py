"""The base of every part of a request."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_MOST_KEYS, _MOST_VALUES = 64, 10_000  # no setting allows more


class RequestModel(BaseModel):
    """A part of a request: an unknown key is a fault, and so are too many keys or values."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: Any) -> Any:
        """One fault for all keys or values where there are many: a million of them took the app half a minute."""
        if not isinstance(given, dict):
            return given
        if len(given) > _MOST_KEYS:
            raise ValueError(f"{len(given)} keys, expected {_MOST_KEYS} at most")
        for key, value in given.items():
            if isinstance(value, list) and len(value) > _MOST_VALUES:
                raise ValueError(f"{len(value)} values in {key[:40]!r}, expected {_MOST_VALUES} at most")
        return given
