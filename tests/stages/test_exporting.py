"""Releases of a stored shop as folders for others: read back by FAISS, torch, pandas and OpenCLIP alone, offline."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from tasks.classifier.head import Head
from tasks.clip.encoder import Encoder
from tasks.retrieval.search import Searcher
from tasks.schema.errors import ArtifactMissing, ConfigError, StoreUnavailable, TerminalError
from tasks.schema.progress import silent
from tasks.stages import exporting, model_cards, original_layout
from tasks.stages.exporting import Exported
from tasks.store.artifacts.cache import fetch, fetch_table
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.releases import read_release
from tests.conftest import TinyShop

PACKED = Path(__file__).parents[1] / "fixtures/store-0.1.tar.xz"  # what is in it: tests/fixtures/README.md
#: Flat and pretrained; a night, IVF; with a product taken down; live, flat and fine-tuned, with the same taken down.
FIRST, NIGHT, WITH_REMOVAL, LIVE = "48948297cde49fbc", "147e3a537124747f", "c1bae1fd73eba474", "2a917530ca153f42"
REMOVED = "blue-lamp"
FAISS, RETRIEVAL, CLASSIFIER = (Path("artifacts/abo", name) for name in ("faiss", "retrieval", "classifier"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("packed")
    with tarfile.open(PACKED) as archive:
        archive.extractall(root, filter="data")
    return open_store(StoreSettings(store_uri=str(root / "store"), store_cache=root / "cache"))


def export(store: Store, release: str, folder: Path, images: bool = False) -> Exported:
    return exporting.export_release(store, release, "production", str(folder), "unknown", images, silent)


@pytest.fixture(scope="module")
def exported(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(release: str) -> Path:
        if release not in made:
            made[release] = tmp_path_factory.mktemp("exported") / release
            export(store, release, made[release], images=release == LIVE)
        return made[release]

    return folder


@pytest.mark.parametrize("release", [FIRST, NIGHT, WITH_REMOVAL, LIVE])
def test_a_search_of_the_files_alone_answers_as_the_product(
    release: str, store: Store, exported: Callable[[str], Path]
) -> None:
    folder, stored = exported(release), read_release(store, release)
    index = faiss.read_index(str(folder / FAISS / "abo_images.index"))
    meta = pd.read_parquet(folder / FAISS / "abo_meta.parquet")
    vectors = np.load(folder / FAISS / "abo_image_embs.npy", mmap_mode="r")
    items = fetch_table(store, stored.index, "items.parquet")
    assert vectors.dtype == np.float32 and vectors.shape == (len(meta), index.d) == (items.num_rows, 16)
    assert meta["item_id"].tolist() == items["item_id"].to_pylist()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    encoder = Encoder.load(fetch(store, stored.model), device="cpu")
    search_params = load_manifest(store, stored.index).summary["search_params"]
    searcher = Searcher.open(fetch(store, stored.index) / "index.faiss", search_params)
    allowed = ~meta["taken_down"].to_numpy()
    assert allowed.sum() == stored.items
    own = searcher.search(np.asarray(vectors), 1, allowed)[1]
    np.testing.assert_array_equal(own[allowed, 0], np.flatnonzero(allowed)), "row i of one is row i of the other"

    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder / 'hub'}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder / 'hub'}")
    texts = sorted(set(meta["text"]))[:20]
    with torch.inference_mode():
        queries = model.eval().encode_text(tokenize(texts), normalize=True).numpy()
    np.testing.assert_allclose(queries, encoder.encode_texts(texts), atol=1e-5)
    scores, rows = index.search(queries, 5)
    expected_scores, expected = searcher.search(queries, 5, allowed)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    assert (rows == expected).mean() > 0.95, "equal scores may come in another order"
    assert set(meta["item_id"][~allowed]) == ({REMOVED} if release in (WITH_REMOVAL, LIVE) else set())
    assert not np.isin(rows, np.flatnonzero(~allowed)).any()


def test_open_clip_gives_an_image_the_vector_of_its_row(store: Store, exported: Callable[[str], Path]) -> None:
    folder = exported(LIVE)
    meta = pd.read_parquet(folder / FAISS / "abo_meta.parquet")
    vectors = np.load(folder / FAISS / "abo_image_embs.npy")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder / 'hub'}")
    with torch.inference_mode():
        pixels = torch.stack([preprocess(Image.open(folder / path).convert("RGB")) for path in meta["image_path"]])
        found = model.eval().encode_image(pixels, normalize=True).numpy()
    assert np.einsum("nd,nd->n", found, vectors).min() > 0.995


def test_the_checkpoint_is_the_model_without_any_pickled_code(exported: Callable[[str], Path]) -> None:
    folder = exported(LIVE)
    config = yaml.safe_load((folder / "configs/abo_retrieval.yaml").read_text())
    path = folder / config["outputs"]["ckpt_dir"] / config["outputs"]["ckpt_name"]
    stored = torch.load(path, weights_only=True)
    assert stored["global_step"] == 120 and stored["config"]["model"] == config["model"]
    assert config["model"] == {"arch": "local-dir:hub", "pretrained": None}
    model = open_clip.create_model(f"local-dir:{folder / 'hub'}")
    assert all(torch.equal(tensor, stored["model_state"][name]) for name, tensor in model.state_dict().items())


def test_figures_are_those_of_the_evaluation_also_for_a_night(store: Store, exported: Callable[[str], Path]) -> None:
    def figures(release: str, name: str) -> Any:
        return json.loads((exported(release) / RETRIEVAL / name).read_text())

    stored = figures(LIVE, "metrics_test.json")
    text, _ = stored["metrics"]
    quality = read_release(store, LIVE).quality
    assert (text["recall_at"]["1"], text["mrr"]) == (quality["recall@1"], quality["mrr"])
    assert stored["ckpt"].endswith("openclip_abo_retrieval.pt") and text["n"] == 6
    assert figures(LIVE, "metrics_val_baseline.json")["ckpt"] is None
    assert figures(NIGHT, "metrics_test.json") == figures(FIRST, "metrics_test.json"), "a night keeps the model"
    assert not (exported(FIRST) / RETRIEVAL / "metrics_test_baseline.json").exists()


def test_figures_whose_release_was_collected_are_named_as_missing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collected(_: Store, release: str) -> None:
        raise ArtifactMissing(f"no release {release}")

    monkeypatch.setattr(model_cards, "read_release", collected)
    assert export(store, NIGHT, tmp_path / "out").lacks == ("no metrics: its model was not measured",)
    assert "Not measured." in (tmp_path / "out/hub/README.md").read_text()


def test_classes_are_ranked_as_by_the_stored_head(store: Store, exported: Callable[[str], Path]) -> None:
    folder, ref = exported(LIVE), read_release(store, LIVE).classifier
    assert ref is not None
    head, vectors = Head.load(fetch(store, ref)), np.load(folder / FAISS / "abo_image_embs.npy")
    stored = torch.load(folder / CLASSIFIER / "openclip_abo_classifier_best.pt", weights_only=True)
    weight, bias = (stored["head_state"][f"fc.{name}"].numpy() for name in ("weight", "bias"))
    found = [stored["labels"][best] for best in (vectors @ weight.T + bias).argmax(axis=1)]
    assert found == [ranked[0][0] for ranked in head.predict(vectors, 1)]
    assert (folder / CLASSIFIER / "per_class_f1.csv").is_file() and (folder / CLASSIFIER / "head.safetensors").is_file()


def test_the_card_tells_of_the_model_and_no_product(store: Store, exported: Callable[[str], Path]) -> None:
    text = (exported(LIVE) / "hub/README.md").read_text()
    assert "20 products" in text and "120 steps" in text and "Baseline" in text and "not stated" in text
    items = fetch_table(store, read_release(store, LIVE).index, "items.parquet", columns=["item_id", "title", "brand"])
    told = {word for row in items.to_pylist() for word in row.values() if word and word in text}
    assert not told and "recall 17" not in text
    assert "unchanged" in (exported(FIRST) / "hub/README.md").read_text()


def test_what_a_release_lacks_is_named_not_an_error(tiny_store: TinyShop, tmp_path: Path) -> None:
    done = export(tiny_store.store, "live", tmp_path / "out")
    readme = (tmp_path / "out/README.txt").read_text()
    for words in ("no classifier", "no metrics", "no artifacts/abo/faiss/abo_image_embs.npy"):
        assert any(line.startswith(words) for line in done.lacks) and words in readme
    assert done.release == "first" and not (tmp_path / "out" / CLASSIFIER).exists()
    assert "artifacts/abo/faiss/abo_images.index" in done.files and "per_class_f1.csv" not in readme
    assert set(done.files) | {"README.txt"} == {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/notes.txt").write_text("mine")
    unread: Any = None
    with pytest.raises(ConfigError, match=r"holds files already.*name a new folder"):
        export(unread, FIRST, tmp_path / "used")
    with pytest.raises(ConfigError, match="is a file"):
        export(unread, FIRST, tmp_path / "used/notes.txt")
    assert (tmp_path / "used/notes.txt").read_text() == "mine"


def test_an_empty_folder_is_filled_and_parents_are_made(tiny_store: TinyShop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export(tiny_store.store, "first", tmp_path / "empty")
    export(tiny_store.store, "first", tmp_path / "new/deep/out")
    assert (tmp_path / "empty/README.txt").is_file() and (tmp_path / "new/deep/out/README.txt").is_file()
    assert [path.name for path in (tmp_path / "new/deep").iterdir()] == ["out"], "nothing temporary stays"


@pytest.mark.parametrize(
    ("error", "raised"), [(StoreUnavailable("gone"), StoreUnavailable), (OSError(28, "No space left"), TerminalError)]
)
def test_a_failure_leaves_no_folder(
    error: Exception, raised: type[Exception], tiny_store: TinyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(original_layout.embeddings, "load_vectors", fails)
    with pytest.raises(raised):
        export(tiny_store.store, "first", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_too_little_space_and_unknown_releases_say_what_to_do(
    tiny_store: TinyShop, empty_store: TinyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArtifactMissing, match="list the releases"):
        export(tiny_store.store, "no-such", tmp_path / "out")
    with pytest.raises(ArtifactMissing, match="Nothing is live"):
        export(empty_store.store, "live", tmp_path / "out")
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(TerminalError, match=r"0\.0 GB left, release first needs .* free space"):
        export(tiny_store.store, "first", tmp_path / "out")
    assert not (tmp_path / "out").exists()
