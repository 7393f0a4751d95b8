"""The measurement of mixed queries runs over any release with kinds and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.mixed_queries import measure

if TYPE_CHECKING:
    from tests.conftest import TinyShop


def test_both_kinds_of_question_are_asked_and_told(tiny_store: TinyShop, capsys: pytest.CaptureFixture[str]) -> None:
    measure(tiny_store.store, 12)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("24 questions of release first"), "every product comes in four colours"
    shares = [float(number) for line in told[2:6] for number in line.split()[-4:]]
    assert len(shares) == 16 and all(0 <= share <= 1 for share in shares) and max(shares) > 0
