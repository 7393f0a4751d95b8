"""What an operator may set about the app: environment variables ``APP_*``, or flags of ``python -m app``."""

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.schema.release import CHANNEL

_ORIGIN = re.compile(r"https?://(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d+)?")
_ROOT_PATH = re.compile(rf"(?:{_ORIGIN.pattern})?(?P<path>(?:/\w[\w.~-]*)*)")
_OWN_PATHS = ("v1", "gradio_api", "static", "assets")  # a proxy that takes the path away would leave it ambiguous


def _path_of(root_path: str) -> str | None:
    match = _ROOT_PATH.fullmatch(root_path)
    return match["path"] if match else None


class AppSettings(BaseSettings):
    """Serve product search by words and by image from the live release. The store comes from STORE_URI."""

    model_config = SettingsConfigDict(env_prefix="APP_", frozen=True, extra="ignore", cli_prog_name="python -m app")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface")
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    root_path: str = Field(
        "",
        description="Where a proxy shows the app: a path (/shop/search), or the whole address "
        "(https://shop.example/search) where it passes on neither Host nor X-Forwarded-Host",
    )
    allow_origins: str = Field(
        "",
        description="Origins whose pages may use /v1/ from a browser, with commas: https://shop.example, "
        "https://www.shop.example",
    )
    channel: str = Field("production", pattern=CHANNEL, description="Which live pointer to follow")
    poll_seconds: float = Field(5.0, gt=0, le=3600, description="How often to look for a newer release")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where queries are encoded")
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the encoder; 0 leaves the choice to torch")
    max_upload_mb: float = Field(10.0, gt=0, le=1000, description="Largest uploaded image in megabytes")
    max_pixels: int = Field(40_000_000, ge=10_000, le=1_000_000_000, description="Largest uploaded image in pixels")
    decoders: int = Field(2, ge=1, le=64, description="Processes that decode uploaded images, one image each")
    decode_seconds: float = Field(10.0, gt=0, le=600, description="Longest that one image may take to decode")
    encode_batch: int = Field(32, ge=1, le=1024, description="Most texts or images encoded at once")
    vector_cache: int = Field(
        20_000, ge=0, le=10_000_000, description="Vectors of earlier queries kept in memory, 2 KB each at 512 numbers"
    )
    max_in_flight: int = Field(
        64, ge=1, le=10_000, description="Searches answered at once; beyond, the app says 503 and when to ask again"
    )
    max_in_flight_mb: float = Field(
        256, gt=0, le=100_000, description="Megabytes of request bodies taken in at once; beyond, the app says 503"
    )
    body_seconds: float = Field(30, gt=0, le=3600, description="Longest that the body of a search may take to arrive")
    drain_seconds: float = Field(
        0, ge=0, le=3600, description="After SIGTERM: how long /readyz says 503 while all is still answered"
    )
    shutdown_seconds: int = Field(10, ge=1, le=3600, description="Longest that a stop waits for answers under way")
    api_key: SecretStr = Field(
        SecretStr(""),
        description="With it, /v1/ needs `Authorization: Bearer KEY` or `X-API-Key: KEY`. Open stay the page, which "
        "has no sign-in of its own, what it shows by address (images, the report), /healthz, /readyz and /metrics",
    )
    top_k: int = Field(12, ge=1, le=100, description="Results on the page and default of the API")
    max_top_k: int = Field(100, ge=1, le=1000, description="Most results one request may ask for")
    max_offset: int = Field(1000, ge=0, le=100_000, description="Most results one request may pass over")
    max_batch: int = Field(32, ge=1, le=1000, description="Most queries in one batch")
    max_terms: int = Field(8, ge=1, le=100, description="Most parts of one mixed query")
    max_filter_clauses: int = Field(200, ge=1, le=10_000, description="Most clauses and values in one filter")
    max_query_chars: int = Field(1000, ge=10, le=100_000, description="Longest text query")
    compare_idle_seconds: float = Field(
        300, ge=0, le=86_400, description="How long a release that was compared with stays in memory unused"
    )
    picture_cache_mb: int = Field(256, ge=1, le=100_000, description="Memory for product images that were shown")
    prefect_url: str = Field("", description="Address of the Prefect UI; with it, the page links the run of a release")

    @field_validator("root_path")
    @classmethod
    def _is_a_path(cls, given: str) -> str:
        given = given.rstrip("/")
        path = _path_of(given)
        if given and (path is None or path.split("/")[1:2] in ([name] for name in _OWN_PATHS)):
            raise ValueError(
                f"{given!r} is no path like /shop/search and no address like https://shop.example/search; "
                f"a path cannot begin with {', '.join(f'/{name}' for name in _OWN_PATHS)}"
            )
        return given

    @field_validator("allow_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        origins = [origin.strip().rstrip("/") for origin in given.split(",") if origin.strip()]
        if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"{wrong[0]!r} is no origin: give scheme, host and port alone, as https://shop.example")
        return ",".join(origins)

    @property
    def root(self) -> str:
        """The path of ``root_path``, "" at the root of a host."""
        return _path_of(self.root_path) or ""

    @property
    def origins(self) -> tuple[str, ...]:
        """Those of ``allow_origins``."""
        return tuple(self.allow_origins.split(",")) if self.allow_origins else ()

    @property
    def max_body_bytes(self) -> int:
        """Largest body of a request: an upload, which is a third longer as base64, and its other fields."""
        return int(self.max_upload_bytes * 1.4) + 100_000

    @property
    def max_upload_bytes(self) -> int:
        """Largest uploaded image in bytes."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def decoder_bytes(self) -> int:
        """Memory of one decoder beyond what it starts with: Pillow holds an image up to four times, at 4 bytes."""
        return 16 * self.max_pixels + 3 * self.max_upload_bytes + 64_000_000
