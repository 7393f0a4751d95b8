"""The base of every run parameter, and how a flow's flags are read from a terminal."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen set of run parameters. Unknown names are refused, so that a typo never runs for an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
