"""How the shop's own web servers are asked, read from the environment: no token stands in a parameter of a run."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from tasks.schema.errors import ConfigError

USER_AGENT = "product-search/0.1 (catalogue import)"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_EVERY_HOST = "*"


class SourceSettings(BaseSettings):
    """What requests to a shop's web servers carry. Each field is the environment variable SOURCE_ and its name."""

    model_config = SettingsConfigDict(env_prefix="SOURCE_", frozen=True, extra="ignore", env_ignore_empty=True)

    user_agent: str = Field(USER_AGENT, description="How images and tables by http(s) are asked for", min_length=1)
    headers: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict,
        description='Further headers by host, as JSON: {"cdn.shop.example": {"Authorization": "Bearer ..."}}. A host '
        "with its port where it has one; * is every host, and no place for a token: rows may name any host",
    )

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, hosts: dict[str, dict[str, SecretStr]]) -> dict[str, dict[str, SecretStr]]:
        for host, headers in hosts.items():
            if not host or "/" in host:
                raise ValueError("a host stands alone, without scheme and path")
            if not all(_NAME.fullmatch(name) for name in headers):
                raise ValueError("a header's name has letters, digits and - alone")
            if not all(_VALUE.fullmatch(value.get_secret_value()) for value in headers.values()):
                raise ValueError("a header's value is one line of Latin-1 text")
        return {host.lower(): headers for host, headers in hosts.items()}

    def headers_for(self, url: str, named: str) -> dict[str, str]:
        """What a request to ``url`` carries that began at ``named``: of other hosts nothing, and no token in the clear.

        A redirect from https to http loses the host's own headers.
        """
        parts = urlsplit(url)
        found: Mapping[str, SecretStr] = self.headers.get(_EVERY_HOST, {})
        if parts.scheme == "https" or not named.lower().startswith("https:"):
            found = {**found, **self.headers.get(parts.netloc.rpartition("@")[2].lower(), {})}
        return {name: value.get_secret_value() for name, value in found.items()}


def read_source_settings() -> SourceSettings:
    """The settings of the environment. Raises ConfigError, which names the variable and never its value."""
    try:
        return SourceSettings()
    except ValidationError as error:
        faults = "; ".join(f"SOURCE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
    except SettingsError:
        faults = "SOURCE_HEADERS is no JSON"
    raise ConfigError(
        f'{faults}. Expected is {{"cdn.shop.example": {{"Authorization": "Bearer ..."}}}}: headers by host.'
    )
