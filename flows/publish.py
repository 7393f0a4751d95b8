"""Move what is live: promote a release, or roll back. Read what was live, and pin a release that must stay.

python -m flows.publish promote --release 0123456789abcdef
python -m flows.publish roll_back --reason "wrong images in shoes"
python -m flows.publish history
python -m flows.publish pin --release 0123456789abcdef --reason "the figures of the report"
"""

from prefect import flow
from pydantic import Field

from flows.run_names import of_channel, run_name
from tasks.history import history as history_task
from tasks.pin import pin as pin_task
from tasks.publish import promote as promote_task
from tasks.publish import roll_back as roll_back_task
from tasks.schema.command import as_columns, run_one_of_from_terminal
from tasks.schema.config import Config
from tasks.schema.release import CHANNEL, RELEASE_ID, LivePointer


class PromoteConfig(Config):
    """Which stored release goes live, and where."""

    release: str = Field(description="Id of a stored release", pattern=RELEASE_ID)
    channel: str = Field("production", description="Channel that the app follows", pattern=CHANNEL)
    reason: str = Field("promoted by hand", description="Kept in the live pointer, for whoever reads the history")


class RollBackConfig(Config):
    """Which channel goes back, and to what."""

    channel: str = Field("production", description="Channel to roll back", pattern=CHANNEL)
    to: str = Field("previous", description="'previous', or the id of any stored release", pattern=RELEASE_ID)
    reason: str = Field("rolled back by hand", description="Kept in the live pointer")


class HistoryConfig(Config):
    """Whose history, and how far back."""

    channel: str = Field("production", description="Channel that the app follows", pattern=CHANNEL)
    last: int = Field(50, description="Most lines to show", ge=1, le=10_000)


class PinConfig(Config):
    """Which release stays, and why."""

    release: str = Field(description="Id of a stored release", pattern=RELEASE_ID)
    pinned: bool = Field(True, description="Keep it whatever its age; off lets garbage collection have it again")
    reason: str = Field("pinned by hand", description="Shown in the history")


@flow(name="promote", flow_run_name=run_name(lambda config: f"{config.release} to {config.channel}"))
def promote(config: PromoteConfig) -> LivePointer:
    """Make a stored release live with one compare-and-swap."""
    return promote_task(config.release, config.channel, config.reason)


@flow(name="roll_back", flow_run_name=run_name(lambda config: f"{config.channel} to {config.to}"))
def roll_back(config: RollBackConfig) -> LivePointer:
    """Make the previous (or a named) release live again. The generation rises, as with every swap."""
    if config.to == "previous":
        return roll_back_task(config.channel, config.reason)
    return promote_task(config.to, config.channel, config.reason)


@flow(name="history", flow_run_name=run_name(of_channel))
def history(config: HistoryConfig = HistoryConfig()) -> str:  # noqa: B008
    """Every publish, promotion and roll-back of a channel, newest first."""
    return as_columns(history_task(config.channel, config.last))


@flow(name="pin", flow_run_name=run_name(lambda config: config.release))
def pin(config: PinConfig) -> str:
    """Keep a release, with all it is made of, until it is unpinned."""
    pin_task(config.release, config.pinned, config.reason)
    return f"{config.release} is {'pinned' if config.pinned else 'not pinned'}"


if __name__ == "__main__":
    run_one_of_from_terminal(
        {
            "promote": (promote, PromoteConfig),
            "roll_back": (roll_back, RollBackConfig),
            "history": (history, HistoryConfig),
            "pin": (pin, PinConfig),
        }
    )
