"""The base of every run parameter, and how a flow's flags are read from a terminal."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """A frozen set of run parameters. Unknown names are refused, so that a typo never runs for an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def part(self, of: type[C], **fields: Any) -> C:
        """The config ``of`` a step: ``fields``, and from this one those of the same name."""
        shared = {name: getattr(self, name) for name in of.model_fields if name in type(self).model_fields}
        return of(**{**shared, **fields})
