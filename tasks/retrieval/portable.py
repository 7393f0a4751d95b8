"""An index that FAISS alone searches well, and metrics as the original project wrote them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from tasks.retrieval.cells import DEFAULT_SHORTLIST
from tasks.retrieval.index import save_index
from tasks.retrieval.probing import SearchParams
from tasks.retrieval.reranking import ivf_of, refine_of
from tasks.retrieval.vectors import blocks
from tasks.schema.evaluation import SINGLE_POSITIVE

_RESULTS = 10  # the shortlist was tuned for so many; FAISS knows it only as a factor on the results asked for


def save_portable(source: Path, target: Path, search_params: Mapping[str, Any], hidden: np.ndarray) -> None:
    """Write the index at ``source`` so that ``faiss.read_index(target).search(queries, k)`` answers as the product.

    FAISS keeps nprobe in the file, and by default probes one cell: two thirds of the answers at best. ``hidden``: rows
    (h,) int64 that no search may return; the others keep their numbers.
    """
    # Mapped, vectors go from file to file; rows can be taken out of a copy in memory only.
    index: Any = faiss.read_index(str(source), 0 if len(hidden) else faiss.IO_FLAG_MMAP_IFC)
    ivf, refine = ivf_of(index), refine_of(index)
    if not isinstance(ivf, faiss.IndexIVF):
        save_index(_numbered(index, hidden) if len(hidden) else index, target)
        return
    params = SearchParams(**search_params)
    ivf.nprobe = min(params.max_probes, ivf.nlist)
    if refine is not None:
        index.k_factor = (params.shortlist or DEFAULT_SHORTLIST) / _RESULTS
    if len(hidden):
        ivf.remove_ids(faiss.IDSelectorBatch(hidden))
    save_index(index, target)


def _numbered(index: Any, hidden: np.ndarray) -> Any:
    """A flat index without the rows ``hidden``, in which each other row is found by the number it had."""
    numbered = faiss.IndexIDMap2(faiss.IndexFlatIP(index.d))
    for rows in blocks(np.setdiff1d(np.arange(index.ntotal), hidden)):
        numbered.add_with_ids(index.reconstruct_batch(rows), rows)
    return numbered


def original_metrics(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Metrics of one split as the original project's evaluation wrote them: only the product's own image is right.

    [{"direction", "n", "recall_at": {"1": share, ...}, "mrr"}], and beside them "intervals" (95 %) by metric.
    """
    found = []
    for direction in ("text_to_image", "image_to_text"):
        cells = metrics[direction][SINGLE_POSITIVE]
        recalls = {name.removeprefix("recall@"): cell["value"] for name, cell in cells.items() if "recall@" in name}
        found.append(
            {
                "direction": direction,
                "n": metrics["n"],
                "recall_at": dict(sorted(recalls.items(), key=lambda pair: int(pair[0]))),
                "mrr": cells["mrr"]["value"],
                "intervals": {name: [cell.get("low"), cell.get("high")] for name, cell in cells.items()},
            }
        )
    return found
