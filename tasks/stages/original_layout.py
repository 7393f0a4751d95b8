"""A release in the layout of the original project, below the folder where that project keeps its own outputs."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from tasks.schema.errors import ArtifactMissing
from tasks.schema.release import Release
from tasks.stages.model_cards import read_evaluation
from tasks.store.artifacts import embeddings
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.images import image_path, read_images
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store, dump_json
from tasks.store.releases.removals import read_removals

HUB, CONFIG = "hub", "configs/abo_retrieval.yaml"
CHECKPOINT = "artifacts/abo/retrieval/openclip_abo_retrieval.pt"
METRICS = "artifacts/abo/retrieval/metrics_{split}{of}.json"
INDEX = "artifacts/abo/faiss/abo_images.index"
META = "artifacts/abo/faiss/abo_meta.parquet"
VECTORS = "artifacts/abo/faiss/abo_image_embs.npy"
CLASSIFIER = "artifacts/abo/classifier/openclip_abo_classifier_best.pt"
PER_CLASS = "artifacts/abo/classifier/per_class_f1.csv"
#: The project builds its model by this, and then loads the checkpoint: nothing is downloaded.
_MODEL = {"arch": f"local-dir:{HUB}", "pretrained": None}
_ADDED = (pa.field("text", pa.string()), pa.field("image_path", pa.string()), pa.field("taken_down", pa.bool_()))
_BATCH = 65_536


@dataclass(frozen=True)
class Export:
    """One release on its way into the folder ``out``. Each method returns what the release lacks, in words."""

    store: Store
    release: Release
    out: Path

    def checkpoint(self) -> list[str]:
        """Write the weights, and the configuration by which the original's programs find them."""
        from tasks.clip.portable import save_checkpoint

        steps = load_manifest(self.store, self.release.model).summary.get("best_step", 0)
        facts = {"config": {"model": _MODEL}, "global_step": steps, "release": self.release.id}
        save_checkpoint(fetch(self.store, self.release.model), self.path(CHECKPOINT), facts)
        folder, _, name = CHECKPOINT.rpartition("/")
        config = {"model": _MODEL, "outputs": {"ckpt_dir": folder, "ckpt_name": name}}
        self.path(CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
        return []

    def index(self) -> list[str]:
        """Write the index, and its rows in the same order."""
        from tasks.retrieval.portable import save_portable

        index = self.release.index
        source = fetch(self.store, index, only=["index.faiss", "items.parquet"])
        removed = read_removals(self.store, self.release.removals)["item_id"].combine_chunks()
        hidden = _write_meta(source / "items.parquet", self.path(META), removed)
        search_params = load_manifest(self.store, index).summary["search_params"]
        save_portable(source / "index.faiss", self.path(INDEX), search_params, hidden)
        if not len(hidden):
            return []
        return [f"taken down by hand: {len(hidden)}; the index never returns them, and taken_down marks their rows"]

    def vectors(self) -> list[str]:
        """Write the vector of each row of the index, shard by shard into a mapped file."""
        path = self.path(VECTORS)
        try:
            embeddings.load_vectors(self.store, self.release.model.id, self._hashes(), into=path)
        except ArtifactMissing as error:
            path.unlink(missing_ok=True)
            return [f"no {VECTORS}: {error}"]
        return []

    def metrics(self) -> list[str]:
        """Write the figures of each split, of the model and of its baseline."""
        from tasks.retrieval.portable import original_metrics

        found = read_evaluation(self.store, self.release)
        for role, of in (("model", ""), ("baseline", "_baseline")):
            for metrics in found.get(role, ()):
                split = metrics["split"]
                known = {**_MODEL, "ckpt": CHECKPOINT} if role == "model" else {"arch": metrics["model_name"]}
                facts = {"arch": None, "pretrained": None, "ckpt": None, "device": None, "parquet": split, **known}
                facts |= {"untrained": metrics["untrained"], "metrics": original_metrics(metrics)}
                self.path(METRICS.format(split=split, of=of)).write_bytes(dump_json(facts))
        return [] if found else ["no metrics: its model was not measured"]

    def classifier(self) -> list[str]:
        """Write the category head: as the linear layer that the original loads, and as it is stored."""
        from tasks.classifier.head import LABELS, WEIGHTS, Head
        from tasks.classifier.portable import save_linear, write_per_class

        if self.release.classifier is None:
            return ["no classifier: the release has none"]
        source, target = fetch(self.store, self.release.classifier), self.path(CLASSIFIER)
        for name in (WEIGHTS, LABELS, "metrics.json"):
            if (source / name).is_file():
                shutil.copyfile(source / name, target.with_name(name))
        if (source / "per_class_f1.csv").is_file():
            write_per_class(source / "per_class_f1.csv", self.path(PER_CLASS))
        summary = load_manifest(self.store, self.release.classifier).summary
        extra: dict[str, Any] = {"metrics": summary, "release": self.release.id}
        if save_linear(Head.load(source), target, extra):
            return []
        return [f"no {CLASSIFIER}: a head of two layers is no linear layer; {WEIGHTS} beside it has both"]

    def images(self) -> list[str]:
        """Write each image where ``image_path`` of its rows says."""
        hashes = list(dict.fromkeys(self._hashes()))
        for sha256, data in zip(hashes, read_images(self.store, hashes), strict=True):
            self.path(image_path(sha256)).write_bytes(data)
        return []

    def path(self, name: str) -> Path:
        """Where the file called ``name`` is to be written."""
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _hashes(self) -> list[str]:
        table = fetch_table(self.store, self.release.index, "items.parquet", columns=["image_sha256"])
        hashes: list[str] = table["image_sha256"].to_pylist()
        return hashes


def _write_meta(source: Path, target: Path, removed: pa.Array) -> np.ndarray:
    """Write the rows of the index with the columns that the original reads; returns those ``removed``, (h,) int64."""
    hidden, done = [np.zeros(0, np.int64)], 0
    with pq.ParquetFile(source) as items:
        schema = pa.schema([*items.schema_arrow, *_ADDED])
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in items.iter_batches(_BATCH):
                paths = pa.array([image_path(sha256) for sha256 in batch["image_sha256"].to_pylist()])
                taken_down = pc.is_in(batch["item_id"], value_set=removed)
                columns = [*batch.columns, batch["title"], paths, taken_down]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                hidden.append(done + np.flatnonzero(taken_down.to_numpy(zero_copy_only=False)))
                done += batch.num_rows
    return np.concatenate(hidden)
