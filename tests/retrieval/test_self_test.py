import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.retrieval import self_test
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import build_index, save_index
from tasks.retrieval.self_test import run_in_fresh_process, write_self_test

N, DIM = 600, 16


def unit(array: np.ndarray) -> np.ndarray:
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict]:
    """An IVF index in a folder as `build` writes it: every third product shares its image with the one before."""
    rng = np.random.default_rng(0)
    vectors, texts = unit(rng.normal(size=(N, DIM))), unit(rng.normal(size=(40, DIM)))
    vectors[2::3] = vectors[1::3]
    built = build_index(vectors, texts, IndexConfig(kind="ivf_sq8", nlist=12, recall_target=0.95))
    save_index(built, tmp_path / "index.faiss")
    images = [f"image-{row - (row % 3 == 2)}" for row in range(N)]
    pq.write_table(pa.table({"image_sha256": images}), tmp_path / "items.parquet")
    assert write_self_test(vectors, images, texts, tmp_path) == 64
    return tmp_path, built.search_params


def test_sound_files_pass_in_a_process_without_prefect(written) -> None:
    found = run_in_fresh_process(*written, seconds=120)
    assert (found.fault, found.rows, found.items, found.own_row) == ("", N, N, 1.0)
    assert found.text_recall > 0.9


def test_self_test_needs_no_prefect_and_no_torch() -> None:
    command = (
        "import sys, tasks.retrieval.self_test, tasks.retrieval.search\nprint({'prefect', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_rows_of_other_products_are_found_out(written) -> None:
    folder, search_params = written
    table = pq.read_table(folder / "items.parquet")
    pq.write_table(table.take(np.random.default_rng(1).permutation(N)), folder / "items.parquet")
    found = self_test.self_test(folder, search_params)
    assert found.own_row < 0.2
    assert found.text_recall < 0.2
    pq.write_table(table.slice(0, N - 1), folder / "items.parquet")
    assert self_test.self_test(folder, search_params) == self_test.SelfTestResult(rows=N, items=N - 1)


def test_too_few_cells_searched_are_found_out(written) -> None:
    folder, _ = written
    assert self_test.self_test(folder, {"nprobe": 1}).text_recall < 0.8


def test_damaged_file_is_a_finding(written) -> None:
    folder, search_params = written
    data = (folder / "index.faiss").read_bytes()
    (folder / "index.faiss").write_bytes(data[: len(data) // 2])
    found = run_in_fresh_process(folder, search_params, seconds=120)
    assert "ArtifactCorrupt" in found.fault
    assert "index.faiss" in found.fault
    (folder / "self_test.parquet").unlink()
    assert "self_test.parquet" in run_in_fresh_process(folder, search_params, seconds=120).fault


@pytest.mark.parametrize(
    ("code", "seconds", "fault"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 60, "Segmentation fault"),
        ("import time; time.sleep(60)", 0.5, "no answer within 0.5 s"),
        ("import sys; sys.exit(3)", 60, "exit code 3"),
        ("print('nonsense')", 60, "no answer that can be read: nonsense"),
    ],
)
def test_process_that_dies_or_hangs_is_a_finding(written, monkeypatch, code, seconds, fault) -> None:
    monkeypatch.setattr(self_test, "_COMMAND", (sys.executable, "-c", code))
    assert fault in run_in_fresh_process(*written, seconds=seconds).fault
