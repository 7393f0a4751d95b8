"""The export through a real Prefect server, and from a terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.export_release import ExportConfig, export_release
from tasks.schema.errors import ConfigError
from tests.conftest import TinyShop

pytestmark = pytest.mark.server


@pytest.fixture
def shop(tiny_store: TinyShop, prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> TinyShop:
    tiny_store.name_in(monkeypatch)
    return tiny_store


def test_the_run_says_what_it_wrote_and_what_the_release_lacks(shop: TinyShop, tmp_path: Path) -> None:
    done = export_release(ExportConfig(folder=str(tmp_path / "out"), license="apache-2.0", images=True))
    assert done["release"] == "first" and done["folder"] == str(tmp_path / "out")
    assert (tmp_path / "out/README.txt").is_file() and len(list((tmp_path / "out/images").rglob("*.jpg"))) == 12
    assert all((tmp_path / "out" / path).stat().st_size == size for path, size in done["files"].items())
    assert any(words.startswith("no classifier") for words in done["lacks"])
    with get_client(sync_client=True) as client:
        pages = [artifact for artifact in client.read_artifacts() if artifact.key == "export"]
    assert pages and "abo_images.index" in str(pages[0].data) and "no classifier" in str(pages[0].data)
    with pytest.raises(ConfigError, match="holds files already"):
        export_release(ExportConfig(folder=str(tmp_path / "out")))


@pytest.mark.parametrize(
    "wrong", [{"folder": ""}, {"folder": "out", "license": "Apache 2.0"}, {"folder": "out", "release": "../x"}]
)
def test_wrong_parameters_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ExportConfig(**wrong)


@pytest.mark.slow
def test_it_runs_from_a_terminal(shop: TinyShop, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.export_release", "--folder", str(tmp_path / "out"), "--release", "first"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/hub/README.md").is_file() and "abo_images.index" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert again.returncode == 1 and "name a new folder" in again.stderr and "Traceback" not in again.stderr
