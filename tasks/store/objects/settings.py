"""Where the store is and how it is reached, read from the environment."""

from pathlib import Path

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_CHECKOUT = Path(__file__).resolve().parents[3]


def home() -> Path:
    """Parent of the default ``var/``: the checkout where there is one, else the current folder."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()


class StoreSettings(BaseSettings):
    """Settings of the object store. Each field is the environment variable of the same name in capitals.

    Credentials that are not named here (profiles, instance roles, web identity) are found by boto3 as usual.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    store_uri: str = Field(
        default_factory=lambda: str(home() / "var" / "store"),
        description="Root of everything stored: a folder, file://... or s3://bucket/prefix",
    )
    store_cache: Path = Field(
        default_factory=lambda: home() / "var" / "cache", description="Folder of verified local copies of artifacts"
    )
    aws_endpoint_url: str | None = Field(default=None, description="S3-compatible server; unset means AWS")
    aws_access_key_id: SecretStr | None = Field(default=None, description="Access key; unset: boto3's own search")
    aws_secret_access_key: SecretStr | None = Field(default=None, description="Secret key of the access key")
    aws_session_token: SecretStr | None = Field(default=None, description="Token of temporary credentials")
    aws_region: str | None = Field(default=None, description="Region; unset: AWS_DEFAULT_REGION or boto3's own search")
    aws_default_region: str | None = Field(default=None, description="Region where AWS_REGION is not set")
    source_endpoint_url: str | None = Field(
        default=None, description="S3 server of the shop's own files; unset: AWS if anonymous, else AWS_ENDPOINT_URL"
    )
    store_tries: int = Field(default=4, ge=1, le=20, description="Attempts at one storage call, with growing pauses")
    store_timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds without a byte before giving up")
    code_version: str | None = Field(default=None, description="For manifests; unset: git describe or the package")

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> "StoreSettings":
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both or neither")
        return self

    @property
    def region(self) -> str | None:
        """Region to sign for. A server that is not AWS takes any, so it gets a fixed one."""
        return self.aws_region or self.aws_default_region or ("us-east-1" if self.aws_endpoint_url else None)
