"""A real Prefect server for the tests in this folder, started once a session, and a store of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.environment import api_url, stack_environment
from deployments.ports import free_port
from deployments.processes import Processes
from deployments.server import prefect_server as prefect_service
from deployments.settings import StackSettings
from tests.flow_runs import FlowRuns


@pytest.fixture(scope="session")
def prefect_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    """Settings of a stack whose Prefect server runs on a free port, over an empty folder; stopped at the end."""
    folder = tmp_path_factory.mktemp("stack")
    settings = StackSettings(var=folder, prefect_port=free_port(0), app_port=free_port(0))
    environment = stack_environment(settings, settings.prefect_port)
    # These are for the whole session: a developer's own store must stay out of it.
    environment |= {"STORE_URI": str(folder / "store"), "STORE_CACHE": str(folder / "cache")}
    processes = Processes(folder, "tests")
    before = dict(os.environ)
    try:
        server = prefect_service(settings, settings.prefect_port, environment)
        processes.start(server)
        processes.wait_until_ready(server, seconds=120)
        os.environ.update(environment)
        yield settings
    finally:
        os.environ.clear()
        os.environ.update(before)
        processes.stop_all()


@pytest.fixture(scope="session")
def prefect_server(prefect_stack: StackSettings) -> Iterator[str]:
    """API address of the session's Prefect server, which flows called in a test report to.

    Prefect reads its settings at import, which another test may have done already: hence also temporary settings. A
    flow ends a second later for its heartbeat thread, so there is none here.
    """
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH,
        temporary_settings,
    )

    url = api_url(prefect_stack.prefect_port, prefect_stack.host)
    home = prefect_stack.var / "prefect"
    updates = {
        PREFECT_API_URL: url,
        PREFECT_HOME: home,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH: home / "results",
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(updates):
        yield url


@pytest.fixture(scope="module")
def store_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty store in a folder of this test module's own, which `open_store()` opens."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORE_URI", str(folder / "store"))
        patch.setenv("STORE_CACHE", str(folder / "cache"))
        yield folder / "store"


@pytest.fixture
def runs(prefect_server: str) -> FlowRuns:
    """Deployments and runs of the session's server, whose work pools are there."""
    from prefect.client.orchestration import get_client

    from deployments.apply import create_pools

    with get_client(sync_client=True) as client:
        create_pools(client)
    return FlowRuns(prefect_server)
