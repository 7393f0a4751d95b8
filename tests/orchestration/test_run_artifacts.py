"""Progress that is told to the server."""

import logging

import pytest

from tasks.orchestration import run_artifacts as show


@pytest.mark.parametrize(("seconds_each", "most"), [(0.0, 500), (0.5, 20)])
def test_progress_takes_a_hundredth_of_the_time_however_slow_the_server(
    monkeypatch: pytest.MonkeyPatch, seconds_each: float, most: int
) -> None:
    now, told = 0.0, 0

    def update(artifact: object, progress: float) -> None:
        nonlocal now, told
        now += seconds_each
        told += 1

    monkeypatch.setattr(show, "create_progress_artifact", lambda **_: "artifact")
    monkeypatch.setattr(show, "update_progress_artifact", update)
    monkeypatch.setattr(show, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(show.time, "monotonic", lambda: now)
    with show.track("key", "a thousand seconds of work") as progress:
        while now < 1000:
            now += 0.5
            progress(now / 1000, "more")
    assert most * 0.8 <= told <= most + 1
