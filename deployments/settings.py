"""What a person may set about the stack, each through one environment variable (`STACK_...`)."""

from pathlib import Path
from zoneinfo import available_timezones

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: The checkout (or the folder the image copied it to): where `prefect.yaml` is.
ROOT = Path(__file__).resolve().parent.parent

#: The work pool that runs flows, and the one for operations: a sweep must not queue behind the runs it looks after.
FLOW_POOL = "local-process"
OPS_POOL = "ops"


class StackSettings(BaseSettings):
    """Ports, folders and schedules of the stack. `STACK_PREFECT_PORT=4300 make demo` sets one."""

    model_config = SettingsConfigDict(env_prefix="STACK_", frozen=True, extra="ignore")

    var: Path = Field(ROOT / "var", description="Folder for everything that is written: database, logs, pids, store")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the Prefect server, or the next free one")
    app_port: int = Field(7860, ge=1, le=65535, description="Port of the page, or the next free one")
    host: str = Field("127.0.0.1", description="Address the page and the Prefect server listen on")
    prefect_url: str = Field("", description="Address of a Prefect server elsewhere; empty: the one of this stack")
    prefect_public_url: str = Field("", description="Address browsers reach Prefect at, for links; empty: the same")
    timezone: str = Field("UTC", description="IANA time zone in which the nightly schedule reads 02:00")
    working_dir: Path = Field(ROOT, description="Folder flow runs start in: relative paths in a form start here")
    accelerator_limit: int = Field(1, ge=1, le=64, description="How many heavy tasks may run at once on this server")
    catalog: str = Field("", description="Shop that deployments read where a form names none; empty: the sample shop")
    model: str = Field("small", description="Weights they start from; ViT-B-32/laion2b_s34b_b79k for a real shop")
    alert_webhook: str = Field("", description="URL that alerts go to (failed, late, refused, stale); empty: none")
    drain_seconds: float = Field(
        20.0, ge=0, le=86400, description="How long a stopping worker lets its runs go on before it ends them"
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; give one such as 'Europe/London' or 'UTC'")
        return value

    @property
    def shop(self) -> str:
        """Path or URI of the shop that deployments read by default."""
        return self.catalog or str(self.var / "shop")

    @field_validator("var", "working_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()
