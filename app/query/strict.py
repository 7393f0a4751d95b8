"""What every part of a request has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_MOST_KEYS = 64


class Strict(BaseModel):
    """A part of a request: a key that it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _few_keys(cls, given: Any) -> Any:
        """One fault for all keys where there are many: a million of them took the app half a minute."""
        if isinstance(given, dict) and len(given) > _MOST_KEYS:
            raise ValueError(f"{len(given)} keys, expected {_MOST_KEYS} at most")
        return given
