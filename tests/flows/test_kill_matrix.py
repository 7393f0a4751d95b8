"""The short form of benchmarks/kill_matrix.py: killed at the points that matter most, over a folder."""

import pytest

from benchmarks.faults.watched_store import Point
from benchmarks.harness.tiny_night import SHARDS, make_tiny_night
from benchmarks.kill_matrix import Matrix, open_places

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def night(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("night")
    tiny = make_tiny_night(folder / "shop")
    with open_places(["file"], folder / "stores") as (place,):
        first = Matrix(place, "pipeline", tiny.first(), "", folder / "runs", prefect_server)
        return Matrix(place, "reindex", tiny.night(), first.undisturbed, folder / "runs", prefect_server)


@pytest.mark.parametrize(
    ("point", "live"),
    [
        (Point("write", "embeddings/*/part-*-*.parquet", 3, "before"), "old"),
        (Point("upload", "indexes/*/index.faiss", 1, "middle"), "old"),
        (Point("create", "releases/*.json", 1, "after"), "old"),
        (Point("replace", "live/production.json", 1, "after"), "new"),
    ],
    ids=str,
)
def test_killed_night_leaves_a_whole_release_and_can_be_run_again(night: Matrix, point: Point, live: str) -> None:
    outcome = night.attempt(point.shape.replace("/", "-").replace("*", "x"), point)
    assert (outcome.faults, outcome.live) == ((), live)


def test_points_cover_every_kind_of_change(night: Matrix) -> None:
    changed = {(entry["action"], entry["shape"]) for entry in night.changes}
    points = night.points(1000)
    assert {(point.action, point.shape) for point in points} == changed
    uploads = {point.moment for point in points if point.shape == "indexes/*/index.faiss"}
    assert uploads == {"before", "middle", "after"}
    assert sum(entry["shape"] == "embeddings/*/part-*-*.parquet" for entry in night.changes) == SHARDS
