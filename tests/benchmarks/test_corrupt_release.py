"""Short form of `benchmarks/corrupt_release.py`: damage to any file of a release is caught before it is served."""

from pathlib import Path

import pytest

from benchmarks.corrupt_release import Damage, run


@pytest.mark.slow
def test_no_damage_is_served_and_mended_damage_is_taken(tmp_path: Path) -> None:
    trial = run(tmp_path, examples=1)
    assert trial.missed == []
    assert trial.tried["files in the store"] == len(trial.stored) >= 13
    assert trial.tried["copies on this machine"] >= 8 and trial.tried["bytes of records"] > 10_000


def test_damage_changes_a_byte_or_cuts() -> None:
    assert Damage(1, 0xFF).done_to(b"\0\0\0") == b"\0\xff\0" and Damage(1, None).done_to(b"\0\0\0") == b"\0"
