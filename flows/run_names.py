"""Names of flow runs: what a run does and when, for whoever reads the history."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from prefect.runtime import flow_run


def run_name(what: Callable[[Any], str] = lambda config: "", when: str = "%Y-%m-%d") -> Callable[[], str]:
    """A ``flow_run_name``: the flow, ``what`` says of its config, and when it starts by this machine's clock."""

    def name() -> str:
        config = flow_run.parameters.get("config")
        words = (flow_run.flow_name, what(config) if config is not None else "", f"{datetime.now():{when}}")
        return " ".join(word for word in words if word)

    return name


def of_channel(config: Any) -> str:
    """The channel that a run is about."""
    return str(config.channel)


def of_artifacts(config: Any) -> str:
    """The model and the catalogue that a run is about, each by the first letters of its id."""
    return " ".join(name.rpartition("/")[2][:8] for name in (config.model, config.catalog))
