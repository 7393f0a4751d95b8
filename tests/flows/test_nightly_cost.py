"""The night costs what changed: the short form of `benchmarks/nightly_cost.py`."""

from pathlib import Path

import pytest

from benchmarks.nightly_cost import measure

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_a_night_embeds_the_changed_images_and_no_other(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_URI", str(tmp_path / "store"))
    monkeypatch.setenv("STORE_CACHE", str(tmp_path / "cache"))
    (cost,) = measure(["small"], tmp_path, items=600, sample=8)
    assert cost.changes == cost.expected_changes and cost.changes["text_changed"] and cost.changes["metadata_only"]
    assert sorted(cost.embedded) == sorted(cost.changed_images), "another image was embedded, or one twice"
    assert len(cost.embedded) == cost.changes["new"] + cost.changes["image_changed"] > 0
    assert {"prepare_catalog", "plan_changes", "embed_shard", "build_index", "promote"} <= set(cost.stages)
