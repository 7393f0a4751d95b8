"""Runs left behind by dead workers: crash, free their slots, resume, report. Scheduled, in a work pool of its own.

python -m flows.sweep
"""

from datetime import timedelta
from typing import Any

from prefect import flow
from pydantic import Field

from flows.run_names import run_name
from tasks.runs.abandoned import Timeouts
from tasks.runs.resumption import Policy
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.sweep import check_freshness, recover_runs, report_sweep


class SweepConfig(Config):
    """When a run counts as abandoned, what is resumed, and how fresh the channels are to be."""

    silent_seconds: int = Field(
        150,
        ge=1,
        le=3600,
        description="A running run without a heartbeat for so long is abandoned; they come every 30 s",
    )
    pending_seconds: int = Field(
        600, ge=1, le=86400, description="A run that was taken but not started for so long is abandoned"
    )
    second_look_seconds: int = Field(
        45, ge=0, le=600, description="Wait before acting on it, and look again: heartbeats may be late"
    )
    settled_seconds: int = Field(
        600, ge=1, le=86400, description="Slots are given back where no run ended for so long; a lease lives for 300 s"
    )
    resume_tag: str = Field("resume", description="Crashed runs with this tag are started again: safe to repeat")
    resume_delay_seconds: int = Field(60, ge=0, le=86400, description="Delay before the first time; doubles with each")
    resume_times: int = Field(3, ge=0, le=20, description="How often one run is started again, at most")
    resume_within_hours: float = Field(24, gt=0, le=168, description="Runs that crashed longer ago are left alone")
    channels: tuple[str, ...] = Field(("production",), description="Channels whose freshness is watched")
    promise_hours: float = Field(
        26, gt=0, le=8760, description="A channel is stale where nobody looked at the shop for so long"
    )


@flow(name="sweep", flow_run_name=run_name(when="%Y-%m-%d %H:%M"))
def sweep(config: SweepConfig = SweepConfig()) -> list[dict[str, Any]]:  # noqa: B008
    """Settle and resume abandoned runs, watch freshness. Returns one row a finding; a quiet sweep leaves no table."""
    timeouts = Timeouts(timedelta(seconds=config.silent_seconds), timedelta(seconds=config.pending_seconds))
    policy = Policy(
        tag=config.resume_tag,
        delay=timedelta(seconds=config.resume_delay_seconds),
        times=config.resume_times,
        within=timedelta(hours=config.resume_within_hours),
    )
    settled = timedelta(seconds=config.settled_seconds)
    rows = recover_runs(timeouts, config.second_look_seconds, settled, policy)
    promise = timedelta(hours=config.promise_hours)
    rows += [row for channel in config.channels if (row := check_freshness(channel, promise))]
    if any(row["done"] for row in rows):
        report_sweep(rows)
    return rows


if __name__ == "__main__":
    run_from_terminal(sweep, SweepConfig)
