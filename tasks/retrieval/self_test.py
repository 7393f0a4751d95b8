"""The self-test stored with an index, run on the written files in a separate process.

Opening a damaged file can kill the process: that must end the test, not the run that publishes.

python -m tasks.retrieval.self_test FOLDER SEARCH_PARAMS_AS_JSON
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

#: The file of queries and right answers beside the index.
FILE = "self_test.parquet"
_COMMAND = (sys.executable, "-m", "tasks.retrieval.self_test")
_QUERIES = 32  # of each kind
_TOP_K = 10


class SelfTestResult(BaseModel, frozen=True):
    """Figures of a self-test, or the ``fault`` that ended it."""

    rows: int = 0
    items: int = 0
    own_row: float = 0.0  # share of stored vectors that find their own image
    text_recall: float = 0.0  # share of exact search's first 10 that text queries find
    fault: str = ""


def write_self_test(vectors: np.ndarray, images: list[str], text_queries: np.ndarray, folder: Path) -> int:
    """Write queries and the answers of exact search into ``folder``; returns the number of queries.

    vectors: (n, d) float32, L2-normalised, row i of the index; images[i] its hash. text_queries: (m, d) likewise; the
    first 32 are used. Answers are stored as hashes of images, which reveals an items.parquet of other rows.
    """
    from tasks.retrieval.exact import exact_top

    rows = np.sort(np.random.default_rng(0).choice(len(vectors), size=min(_QUERIES, len(vectors)), replace=False))
    texts = text_queries[:_QUERIES]
    answers = [[images[row]] for row in rows]
    if len(texts):
        _, best = exact_top(vectors, texts, min(_TOP_K, len(vectors)))
        answers += [[images[row] for row in hits] for hits in best]
    queries = np.concatenate([vectors[rows], texts]) if len(texts) else vectors[rows]
    kinds = ["picture"] * len(rows) + ["text"] * len(texts)
    columns = {
        "kind": pa.array(kinds),
        "vector": pa.array(list(queries), pa.list_(pa.float32(), vectors.shape[1])),
        "answers": pa.array(answers, pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), folder / FILE)
    return len(kinds)


def self_test(folder: Path, search_params: dict[str, Any]) -> SelfTestResult:
    """Open the index in ``folder`` as it would be served and search it. Raises what `Searcher.open` raises."""
    from tasks.retrieval.search import Searcher

    test = pq.read_table(folder / FILE)
    images = pq.read_table(folder / "items.parquet", columns=["image_sha256"])["image_sha256"].to_pylist()
    searcher = Searcher.open(folder / "index.faiss", search_params)
    if searcher.ntotal != len(images):  # rows cannot be identified by their images
        return SelfTestResult(rows=searcher.ntotal, items=len(images))
    _, found = searcher.search(np.array(test["vector"].to_pylist(), np.float32), _TOP_K)
    shares: dict[str, list[float]] = {"picture": [], "text": []}
    for kind, hits, answers in zip(test["kind"].to_pylist(), found.tolist(), test["answers"].to_pylist(), strict=True):
        shares[kind].append(_share_found(hits, answers, images))
    own, text = (float(np.mean(shares[kind])) if shares[kind] else 1.0 for kind in ("picture", "text"))
    return SelfTestResult(rows=searcher.ntotal, items=len(images), own_row=own, text_recall=text)


def _share_found(hits: list[int], answers: list[str], images: list[str]) -> float:
    """Share of ``answers`` among ``hits``. Rows that share an image score alike, so any of them is right."""
    shown = Counter(images[row] for row in hits if row >= 0)
    return (shown & Counter(answers)).total() / len(answers)


def run_in_fresh_process(folder: Path, search_params: dict[str, Any], seconds: float) -> SelfTestResult:
    """The self-test in a separate process. Whatever ends that process early is reported as ``fault``, never raised."""
    command = [*_COMMAND, str(folder), json.dumps(search_params)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return SelfTestResult(fault=f"no answer within {seconds:g} s")
    if done.returncode < 0:
        return SelfTestResult(fault=f"the process died: {signal.strsignal(-done.returncode)}")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return SelfTestResult(fault=last[0][:500])
    try:
        return SelfTestResult.model_validate_json(done.stdout)
    except ValidationError:
        return SelfTestResult(fault=f"no answer that can be read: {done.stdout[:200]}")


if __name__ == "__main__":
    print(self_test(Path(sys.argv[1]), json.loads(sys.argv[2])).model_dump_json())  # noqa: T201
