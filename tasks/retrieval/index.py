"""Build a FAISS index over product vectors and tune it on text queries against exact search.

Row i of the index is row i of the vectors: there are no FAISS ids (IDMap over IVF mislabels after a removal).
"""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from tasks.retrieval.centres import quantise_centres, replace_quantizer
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.devices import Device, pick_device
from tasks.retrieval.reranking import ivf_of, refine_of
from tasks.retrieval.tuning import QuerySample, sample_queries, tune
from tasks.retrieval.vectors import blocks, checked, draw
from tasks.schema.errors import ConfigError
from tasks.schema.progress import Progress, silent

_MEASURED = 65_536  # below so many vectors the index is serialised to measure its size, from there on that is estimated
_SCALAR_CODES = {"ivf_flat": "Flat", "ivf_fp16": "SQfp16", "ivf_sq8": "SQ8"}
_MIN_POINTS = 39  # FAISS asks for at least as many training vectors per cell
_PQ_POINTS = 10_000  # product quantisation learns 256 codewords: 39 vectors for each
_PQ_LEAST = 1_024  # below, those codewords are the vectors themselves and the code saves nothing
_WITHOUT_PQ = {"ivf_pq": "ivf_sq8", "ivf_refine": "ivf_fp16"}  # used instead with too few vectors for product codes


@dataclass(frozen=True)
class BuiltIndex:
    """An index with its measured figures. ``search_params`` and ``figures`` are JSON-able."""

    index: Any  # faiss.Index on the CPU
    kind: str
    factory: str
    search_params: dict[str, Any]
    figures: dict[str, Any]


def build_index(
    vectors: np.ndarray, text_queries: np.ndarray, config: IndexConfig, progress: Progress = silent
) -> BuiltIndex:
    """Index ``vectors`` and choose the search parameters that reach ``config.recall_target``.

    vectors: (n, d) float32, L2-normalised; the same bytes and config give the same index bytes on the same machine.
    They may be memory-mapped: beside the file, memory holds the index and the training vectors of k-means.
    text_queries: (m, d) float32, L2-normalised; if there are too few, ``vectors`` serve as queries too, and
    ``tuned_on`` says so. Kind 'auto' falls back to float32 codes where rounded codes keep recall below the target.
    Raises ConfigError on an empty, non-finite or non-normalised input, and where a required GPU is absent.
    """
    vectors = checked(vectors, "vectors")
    queries = checked(text_queries, "text queries", dim=vectors.shape[1], empty=True)
    if not len(vectors):
        raise ConfigError("no vectors to index: found 0 rows; embed at least one image first")
    device = pick_device(config.use_gpu)
    kind, notes = choose_kind(len(vectors), config)
    sample = sample_queries(vectors, queries, choose_tuning_queries(len(vectors), config), config.seed)
    built = _build_and_tune(vectors, kind, sample, config, device, progress)
    if config.kind == "auto" and not built.figures["target_met"]:
        notes.append(f"ivf_flat instead of {kind}, whose rounding allows a recall of {built.figures['recall']} at best")
        del built  # a second one beside it would double the memory
        built = _build_and_tune(vectors, "ivf_flat", sample, config, device, progress)
    built.figures["notes"] += notes
    recall = f"recall@{config.recall_at} {built.figures['recall']:.3f}"
    progress(1.0, f"{built.factory}: {recall} on {built.figures['tuned_on']}")
    return built


def _build_and_tune(
    vectors: np.ndarray, kind: str, sample: QuerySample, config: IndexConfig, device: Device, progress: Progress
) -> BuiltIndex:
    started = time.perf_counter()
    index, figures = _build_flat(vectors) if kind == "flat" else _build_ivf(vectors, kind, config, device, progress)
    figures["build_seconds"] = round(time.perf_counter() - started, 3)
    progress(0.7, f"built {figures['factory']} over {len(vectors)} vectors, tuning")
    search_params, tuned = tune(index, vectors, sample, config, figures["nlist"])
    return BuiltIndex(index, kind, figures["factory"], search_params, figures | tuned)


def save_index(built: "BuiltIndex | Any", path: Path | str) -> Path:
    """Write the index to ``path`` by way of a new file and a rename: the old file may be memory-mapped."""
    index = built.index if isinstance(built, BuiltIndex) else built
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    faiss.write_index(index, str(partial))
    os.replace(partial, path)
    return path


def choose_kind(n: int, config: IndexConfig) -> tuple[str, list[str]]:
    """Kind of index for ``n`` vectors, and notes on the choice for the reader.

    'auto' is exact below ``flat_below``, IVF over half-precision numbers from there on, and from ``refine_from`` a
    two-stage search that scans 4-bit codes first, because search is bound by memory there. 8-bit codes take half the
    memory of half precision and as much time, but their rounding costs text queries a point or two of recall at any
    nprobe. HNSW loses more: text queries are out of distribution for the images.
    """
    if config.kind in _WITHOUT_PQ and n < _PQ_LEAST:
        other = _WITHOUT_PQ[config.kind]
        return other, [f"{config.kind} replaced by {other}: product codes need {_PQ_LEAST} vectors, found {n}"]
    if config.kind != "auto":
        return config.kind, []
    if n < config.flat_below:
        return "flat", []
    return ("ivf_fp16" if n < config.refine_from else "ivf_refine"), []


def choose_nlist(n: int, config: IndexConfig, kind: str = "ivf_fp16") -> int:
    """Cells for ``n`` vectors: the power of 2 nearest to 4 sqrt(n), at most one for each 39 vectors.

    ivf_refine: 2 sqrt(n), because its rows are a quarter as long.
    """
    most = max(1, n // _MIN_POINTS)
    if config.nlist is not None:
        return min(config.nlist, most)
    wanted = 1 << round(math.log2((2 if kind == "ivf_refine" else 4) * math.sqrt(n)))
    return wanted if wanted <= most else 1 << int(math.log2(most))


def choose_tuning_queries(n: int, config: IndexConfig) -> int:
    """Most queries to tune on for ``n`` vectors. Fewer widen the confidence bound, which costs a large index cells."""
    return config.tuning_queries or (2_000 if choose_kind(n, config)[0] == "ivf_refine" else 500)


def _build_flat(vectors: np.ndarray) -> tuple[Any, dict[str, Any]]:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index, _figures(index, "flat", "Flat", vectors, nlist=1, n_train=0)


def _build_ivf(
    vectors: np.ndarray, kind: str, config: IndexConfig, device: Device, progress: Progress
) -> tuple[Any, dict[str, Any]]:
    n, dim = vectors.shape
    nlist = choose_nlist(n, config, kind)
    sample = _training_sample(vectors, nlist, kind, config)
    codes, centres = _codes(kind, dim, config), "(SQ8)" if kind == "ivf_refine" else ""
    factory = f"IVF{nlist}{centres},{codes}"
    index: Any = faiss.index_factory(dim, f"IVF{nlist},{codes}", faiss.METRIC_INNER_PRODUCT)  # flat centres
    ivf = ivf_of(index)
    ivf.cp.seed = config.seed
    ivf.cp.spherical = True  # centres are compared by inner product, so they must be unit vectors too
    ivf.cp.min_points_per_centroid = 1  # choose_nlist takes care of it; FAISS would warn on stderr for tiny shops
    if kind in _WITHOUT_PQ:
        ivf.pq.cp.seed = config.seed
        ivf.pq.cp.min_points_per_centroid = 1
    progress(0.05, f"training {factory} on {len(sample)} of {n} vectors ({device.name})")
    started = time.perf_counter()
    device.train(ivf, sample)
    train_seconds = round(time.perf_counter() - started, 3)
    if ivf is index:
        _add(index, vectors, device, progress)
    else:
        quantizer = quantise_centres(ivf)
        _add_two_stage(index, ivf, vectors, progress)
        replace_quantizer(ivf, quantizer)
    figures = _figures(index, kind, factory, vectors, nlist=nlist, n_train=len(sample))
    figures |= {"train_seconds": train_seconds, "device": device.name}
    figures["imbalance"] = round(float(ivf.invlists.imbalance_factor()), 3)
    figures["empty_lists"] = int(sum(ivf.get_list_size(cell) == 0 for cell in range(nlist)))
    if config.nlist is not None and nlist < config.nlist:
        figures["notes"].append(f"nlist lowered from {config.nlist} to {nlist}: {n} vectors feed no more cells")
    return index, figures


def _training_sample(vectors: np.ndarray, nlist: int, kind: str, config: IndexConfig) -> np.ndarray:
    """Random rows that k-means learns from: the first ones would be one department of a sorted shop."""
    wanted = nlist * config.training_points_per_list
    if kind in _WITHOUT_PQ:
        wanted = max(wanted, _PQ_POINTS)
    return draw(vectors, wanted, np.random.default_rng(config.seed))


def _codes(kind: str, dim: int, config: IndexConfig) -> str:
    """How a vector is stored inside its cell, as FAISS's index factory spells it."""
    if kind in _SCALAR_CODES:
        return _SCALAR_CODES[kind]
    if kind == "ivf_refine":  # 4 bits for each number of the residual (r): vector minus centre of its cell
        return f"PQ{dim}x4fsr,Refine(SQfp16)"
    most = max(1, min(config.pq_bytes, dim // 4))  # pieces of fewer than 4 numbers train for minutes and gain nothing
    pieces = max(pieces for pieces in range(1, most + 1) if dim % pieces == 0)
    return f"PQ{pieces}x8np"  # np: no polysemous training, which takes ten times as long and only serves Hamming search


def _add(index: Any, vectors: np.ndarray, device: Device, progress: Progress) -> None:
    """Assign all vectors to cells, then fill cells of reserved size: growing ones take up to twice the memory."""
    quantizer = device.hold(index.quantizer)
    cells = np.empty(len(vectors), np.int64)
    done = 0
    for block in blocks(vectors):
        cells[done : done + len(block)] = quantizer.search(block, 1)[1][:, 0]
        done += len(block)
        progress(0.3 + 0.3 * done / len(vectors), f"assigned {done} of {len(vectors)} vectors to cells")
    for cell, size in enumerate(np.bincount(cells, minlength=index.nlist).tolist()):
        index.invlists.resize(cell, size)
        index.invlists.resize(cell, 0)  # keeps the memory
    for block in blocks(vectors):
        chosen = cells[index.ntotal : index.ntotal + len(block)]
        index.add_core(len(block), faiss.swig_ptr(block), None, faiss.swig_ptr(chosen))
        progress(0.6 + 0.1 * index.ntotal / len(vectors), f"added {index.ntotal} of {len(vectors)} vectors")


def _add_two_stage(index: Any, ivf: Any, vectors: np.ndarray, progress: Progress) -> None:
    """Add all vectors as short codes and as full ones; the latter into reserved memory, as in `_add`."""
    refine, done = refine_of(index), 0
    refine.codes.resize(len(vectors) * refine.code_size)
    codes = faiss.rev_swig_ptr(refine.codes.data(), refine.codes.size()).reshape(len(vectors), refine.code_size)
    for block in blocks(vectors):
        ivf.add(block)
        codes[done : done + len(block)] = refine.sa_encode(block)
        done += len(block)
        progress(0.3 + 0.4 * done / len(vectors), f"added {done} of {len(vectors)} vectors")
    index.ntotal = refine.ntotal = len(vectors)
    index.is_trained = True


def _figures(index: Any, kind: str, factory: str, vectors: np.ndarray, nlist: int, n_train: int) -> dict[str, Any]:
    size = int(faiss.serialize_index(index).nbytes) if len(vectors) < _MEASURED else _estimated_size(index, vectors)
    return {
        "n": len(vectors),
        "dim": int(vectors.shape[1]),
        "kind": kind,
        "factory": factory,
        "nlist": nlist,
        "n_train": n_train,
        "train_seconds": 0.0,
        "imbalance": 1.0,
        "empty_lists": 0,
        "bytes_per_vector": round(size / len(vectors), 1),
        "device": "cpu",
        "faiss": faiss.__version__,
        "notes": [],
    }


def _estimated_size(index: Any, vectors: np.ndarray) -> int:
    """Bytes on disk, computed without a copy in memory: codes, an 8-byte row number each, and centres."""
    if isinstance(index, faiss.IndexFlat):
        return int(vectors.nbytes)
    ivf, refine = ivf_of(index), refine_of(index)
    code_size = ivf.code_size + (0 if refine is None else refine.code_size)
    return int(len(vectors) * (code_size + 8) + ivf.nlist * vectors.shape[1] * 4)
