"""How boto3 and s3fs are opened: credentials, timeouts, endpoint, and what S3-compatible servers need."""

import logging
from typing import Any

import boto3
import s3fs
from botocore.config import Config as BotoConfig

from tasks.store.objects.settings import StoreSettings

_CONNECTIONS = 32


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None  # of an answer whose headers were cut short, and which is retried
    return True


logging.getLogger("urllib3.connection").addFilter(_without_traceback)


def boto_config(settings: StoreSettings, endpoint: str | None, **more: Any) -> dict[str, Any]:
    """Keywords of a botocore Config: short timeouts, and no retries of its own, since `attempts` retries."""
    options: dict[str, Any] = {
        "connect_timeout": 5,
        "read_timeout": settings.store_timeout,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": _CONNECTIONS,
        **more,
    }
    if endpoint is not None and "amazonaws.com" not in endpoint:
        # Most S3-compatible servers have no host name for a bucket, and some choke on AWS's newer checksum trailers.
        options["s3"] = {"addressing_style": "path"}
        options["request_checksum_calculation"] = options["response_checksum_validation"] = "when_required"
    return options


def credentials(settings: StoreSettings) -> tuple[str | None, str | None, str | None]:
    """Access key, secret key and session token of the settings; None where botocore shall search for them."""
    secrets = (settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token)
    if secrets[0] is None:
        return None, None, None
    key, secret, token = (None if value is None else value.get_secret_value() for value in secrets)
    return key, secret, token


def open_s3fs(settings: StoreSettings, endpoint: str | None, anonymous: bool = False) -> s3fs.S3FileSystem:
    """A new s3fs file system, without listing cache (another process may write at any time)."""
    key, secret, token = (None, None, None) if anonymous else credentials(settings)
    config = boto_config(settings, endpoint)
    if endpoint is None:
        config["ignore_configured_endpoint_urls"] = True  # the shop's bucket at AWS, whatever AWS_ENDPOINT_URL says
    region = settings.region or ("us-east-1" if anonymous else None)
    files = s3fs.S3FileSystem(
        anon=anonymous,
        key=key,
        secret=secret,
        token=token,
        endpoint_url=endpoint,
        client_kwargs={"region_name": region} if region else {},
        config_kwargs=config,
        use_listings_cache=False,
        skip_instance_cache=True,
        default_fill_cache=False,
    )
    files.retries = 1
    return files


def open_boto3(settings: StoreSettings) -> Any:
    """A new boto3 client of the store's server."""
    key, secret, token = credentials(settings)
    session = boto3.Session(key, secret, token, region_name=settings.region)
    config = BotoConfig(**boto_config(settings, settings.aws_endpoint_url))
    return session.client("s3", endpoint_url=settings.aws_endpoint_url, config=config)
