"""Short form of `benchmarks/publish_races.py`: of two publishers let go together one wins, and the other is told."""

from pathlib import Path

import pytest

from benchmarks.publish_races import Attempt, _faults, race

RACES = 8


def test_two_processes_on_a_folder(tmp_path: Path) -> None:
    outcome = race("folder", {"STORE_URI": (tmp_path / "store").as_uri()}, RACES)
    assert outcome.faults == [] and outcome.races == RACES and outcome.logged == list(range(1, RACES + 1))


@pytest.mark.s3
def test_two_processes_on_s3(moto_endpoint: str) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto-secret"}
    outcome = race(
        "moto", {"STORE_URI": "s3://shop/races", "AWS_ENDPOINT_URL": moto_endpoint, **credentials}, RACES
    )  # fmt: skip
    assert outcome.faults == [] and outcome.logged == list(range(1, RACES + 1))


def test_every_fault_is_found() -> None:
    won, lost = Attempt(1, None, 0.1), Attempt(None, "PublishConflict", 0.1)
    assert _faults({"left": [won], "right": [lost]}, ["left-0000"], [1]) == []
    for left, right, releases in (
        (won, won, ["right-0000"]),
        (lost, lost, []),
        (Attempt(2, None, 0.1), lost, ["left-0000"]),
        (won, Attempt(None, "StoreUnavailable", 0.1), ["left-0000"]),
        (won, lost, ["right-0000"]),
        (won, lost, []),
    ):
        assert _faults({"left": [left], "right": [right]}, releases, list(range(1, len(releases) + 1)))
