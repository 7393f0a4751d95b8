"""Short form of `benchmarks/cost_curve.py`: every stage of a tiny shop, each in a process of its own."""

from pathlib import Path

import pytest

from benchmarks.cost.figures import Figures
from benchmarks.cost.report import STAGES
from benchmarks.cost_curve import main

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_every_stage_is_measured_and_a_night_embeds_what_changed(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("STORE_URI", "STORE_CACHE"):
        monkeypatch.setenv(name, "")  # put back at the end
    kept = tmp_path / "kept.json"
    options = ["--items", "300", "--model", "small", "--pictures", "4", "--kept", str(kept)]
    assert main(options, api=prefect_server) == 0, capsys.readouterr().out
    figures = Figures.model_validate_json(kept.read_text())
    assert set(figures.sizes[300]) == set(STAGES)
    assert all(spent.cores > 0 and spent.peak_mb >= spent.before_mb > 0 for spent in figures.sizes[300].values())
    night, quiet = figures.sizes[300]["night"].notes, figures.sizes[300]["quiet night"].notes
    assert night == {"embedded": 2, "changed": 5} and quiet == {"embedded": 0, "changed": 0}
    assert figures.prices.stored_bytes > 1_000 and figures.prices.embedding > 0
    assert main(options, api="http://nobody.invalid") == 0, "what is kept is not measured again"
