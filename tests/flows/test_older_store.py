"""A store written by an earlier version keeps working. tests/fixtures/README.md lists what is in the packed store."""

import hashlib
import json
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from app.main import create_app
from app.settings import AppSettings
from flows.build_index import BuildIndexConfig, build_index
from flows.collect_garbage import GarbageConfig, collect_garbage
from flows.evaluate import EvaluateConfig, evaluate
from flows.finetune import FinetuneRun, finetune
from flows.pipeline import PipelineConfig, pipeline
from flows.prepare_catalog import CatalogConfig, prepare_catalog
from flows.publish import HistoryConfig, PinConfig, PromoteConfig, RollBackConfig, history, pin, promote, roll_back
from flows.reindex import ReindexConfig, reindex
from flows.remove_items import RemoveItemsConfig, remove_items
from flows.train_classifier import TrainClassifierConfig, train_classifier
from tasks.catalog.sources import sources_id

pytestmark = [pytest.mark.server, pytest.mark.slow]

PACKED = Path(__file__).parents[1] / "fixtures/store-0.1.tar.xz"
MADE_IN, SOURCE_RECORD = "/tmp/store-0.1/packed/shop", "010cb23e733ddf0c"
#: Ids of catalogues and pretrained models are hashes of the files that these write; another version may differ.
WRITERS = {"pyarrow": "26.0.1", "safetensors": "0.8.0"}
# generations 1 to 4
FIRST, SECOND, WITH_REMOVAL, LIVE = "48948297cde49fbc", "147e3a537124747f", "c1bae1fd73eba474", "2a917530ca153f42"
CATALOG, BASELINE, MODEL = "f404c34f83c0e215", "12520ee94161be8f", "0f6a5d4ba97a53c1"
INDEX, CLASSIFIER, REPORT = "efcf1dabddf76e93", "9ec8569dcc314278", "deea31a0b444244e"
SPARE_INDEX, SPARE_REPORT = "8714e87ddad5d29e", "60e1c7207ef3364a"  # no release names them
REMOVED = "blue-lamp"
#: What flows build; claims and locks are left out.
BUILT = ("catalogs", "models", "indexes", "classifiers", "evaluations", "plans", "removals", "embeddings", "images")


@pytest.fixture
def older(prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The store, unpacked, is the environment's; the shop, the model and the configs lie in the working folder."""
    with tarfile.open(PACKED) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("STORE_URI", str(tmp_path / "store"))
    monkeypatch.setenv("STORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    configs: dict[str, Any] = json.loads(Path("config.json").read_text())
    return configs


def stored(path: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(Path("store", path).read_text())
    return record


def live() -> dict[str, Any]:
    return stored("live/production.json")


def release(name: str) -> dict[str, Any]:
    return stored(f"releases/{name}.json")


def files(*folders: str) -> dict[str, tuple[int, int]]:
    """Path -> size and time of the last write of every file of the store, or below these folders of it."""
    tops = [Path("store", folder) for folder in folders or ("",)]
    found = (path for top in tops for path in top.rglob("*") if path.is_file())
    return {str(path.relative_to("store")): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def move_source_record(configs: dict[str, Any]) -> None:
    """Rename the record of the shop's files, whose name holds the shop's path, as if the shop had always been here."""
    config = CatalogConfig.model_validate(configs["catalog"])
    (record,) = Path("store/sources").iterdir()
    assert record.stem == sources_id(config, MADE_IN) == SOURCE_RECORD
    record.rename(record.with_stem(sources_id(config, str(Path("shop").absolute()))))


@contextmanager
def unreadable_images() -> Iterator[None]:
    """Every image of the shop has other bytes of the same size and time meanwhile; a run that reads one refuses it."""
    written = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("shop/images").iterdir()}
    for path, (data, modified) in written.items():
        path.write_bytes(bytes(len(data)))
        os.utime(path, ns=(modified, modified))
    yield
    for path, (data, modified) in written.items():
        path.write_bytes(data)
        os.utime(path, ns=(modified, modified))


def test_an_unchanged_shop_changes_nothing(older: dict[str, Any]) -> None:
    before = files(*BUILT, "releases", "live")
    again = {"release": LIVE, "changes": {}}
    move_source_record(older)
    with unreadable_images():
        assert reindex() == again, "images that the older version has read are not read again"
    assert reindex(ReindexConfig(reread_pictures=True)) == again, "every image is the one that is stored"
    now = files(*BUILT, "releases", "live")
    assert {path: now[path] for path in before} == before
    assert {path.split("/")[0] for path in now.keys() - before.keys()} <= {"plans", "catalogs"}


def test_the_same_configs_find_what_is_stored(older: dict[str, Any]) -> None:
    before = files(*BUILT)
    on = {"catalog": CATALOG, "embed": older["embed"]}
    training = {"catalog": CATALOG, "model": {"pretrained": BASELINE}, "training": older["training"]}
    measuring = {**on, "model": MODEL, "baseline": BASELINE, "metrics": older["metrics"]}
    assert finetune(FinetuneRun.model_validate(training)).id == MODEL
    assert build_index(BuildIndexConfig.model_validate({**on, "model": MODEL})).id == INDEX
    heads = {**on, "model": MODEL, "classifier": older["classifier"]}
    assert train_classifier(TrainClassifierConfig.model_validate(heads)).id == CLASSIFIER
    assert evaluate(EvaluateConfig.model_validate(measuring)).id == REPORT
    assert files(*BUILT) == before


@pytest.mark.skipif(
    any(version(name) != wrote for name, wrote in WRITERS.items()), reason=f"the ids are those of files by {WRITERS}"
)
def test_the_whole_pipeline_finds_what_is_stored(older: dict[str, Any]) -> None:
    before = files(*BUILT, "releases", "live")
    assert prepare_catalog(CatalogConfig.model_validate(older["catalog"])).id == CATALOG
    result = pipeline(PipelineConfig.model_validate({**older, "index_words": False}))
    assert result["release"] == LIVE and result["summary"][1]["artifact"] == f"models/{BASELINE}"
    now = files(*BUILT, "releases", "live")
    assert now.keys() == before.keys()
    # pretrained weights of a local folder are stored again, under the same id
    assert {path.rpartition("/")[0] for path in now if now[path] != before[path]} <= {f"models/{BASELINE}"}


def test_the_pipeline_adds_a_word_index_and_makes_nothing_else(older: dict[str, Any]) -> None:
    before = files(*BUILT)
    made = release(pipeline(PipelineConfig.model_validate({**older, "publish": False}))["release"])
    old = release(LIVE)
    assert made["lexical"]["kind"] == "lexical" and "lexical" not in old
    if all(version(name) == wrote for name, wrote in WRITERS.items()):
        assert all(made[part] == old[part] for part in ("catalog", "model", "index", "classifier", "removals"))
        assert files(*BUILT).keys() == before.keys() and live()["release"] == LIVE


def test_the_next_night_follows_the_shop(older: dict[str, Any]) -> None:
    move_source_record(older)
    before = files(*BUILT, "releases")
    table = Path("shop/products.csv")
    table.write_text(table.read_text().replace("Acme red mug", "Acme deep red mug"))
    with Image.open("shop/images/pink-rug.jpg") as image:
        ImageOps.invert(image).save("shop/images/pink-rug.jpg")
    result = reindex(ReindexConfig.model_validate({"embed": older["embed"]}))
    changed = {"text_changed": 1, "image_changed": 1, "metadata_only": 0, "new": 0, "gone": 0, "unchanged": 37}
    assert result["changes"] == changed and result["generation"] == 5
    now, old = release(result["release"]), release(LIVE)
    assert live()["release"] == result["release"] and live()["previous"] == LIVE == now["parent"]
    assert all(gate["passed"] for gate in now["gates"])
    assert all(now[part] == old[part] for part in ("model", "classifier", "removals"))
    assert now["catalog"] != old["catalog"] and now["index"] != old["index"] and now["items"] == 38
    words = stored(f"lexical/{now['lexical']['id']}/manifest.json")
    assert words["parents"] == {"catalog": now["catalog"]} and words["summary"]["items"] == 39
    fresh = files(*BUILT, "releases").keys() - before.keys()
    assert len([path for path in fresh if path.startswith("images/")]) == 1, "only the new image is stored"
    assert len([path for path in fresh if path.startswith("embeddings/") and "part-" in path]) == 1
    assert {path: files()[path] for path in before} == before, "nothing of the older version is overwritten"


def test_rolling_back_keeps_history_pins_and_removals(older: dict[str, Any]) -> None:
    lines = history().splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [["4", LIVE], ["3", WITH_REMOVAL], ["2", SECOND], ["1", FIRST]]
    assert "recall 17" in lines[1] and "nightly reindex" in lines[2]
    assert "figures of the first report" in lines[3] and "figures of" not in lines[0]

    assert roll_back(RollBackConfig(reason="an older version's")).release == WITH_REMOVAL
    assert live()["generation"] == 5 and live()["previous"] == LIVE and live()["removals"]
    pointer = promote(PromoteConfig(release=FIRST))
    assert pointer.release == "3e4a2a24dcc1d7d6", "made before the removal, which still applies"
    now, then = release(pointer.release), release(FIRST)
    assert now["removals"] == release(LIVE)["removals"] and now["items"] == then["items"] - 1
    assert all(now[part] == then[part] for part in ("catalog", "model", "index", "classifier", "evaluations"))

    result = remove_items(RemoveItemsConfig(items=("red-mug",), reason="recall 18"))
    assert result["in_force"] == 2 and result["items"] == 36
    result = remove_items(RemoveItemsConfig(restore=(REMOVED, "red-mug"), reason="both lifted"))
    assert result["in_force"] == 0 and result["items"] == 38
    assert pin(PinConfig(release=FIRST, pinned=False)) == f"{FIRST} is not pinned"
    assert not list(Path("store/pins").glob("*.json")) and "figures of" not in history(HistoryConfig(last=20))


@contextmanager
def served() -> Iterator[TestClient]:
    app = create_app(AppSettings(poll_seconds=0.1, device="cpu"))
    app.state.live.check()
    with TestClient(app) as client:
        yield client


def check_answers(client: TestClient, name: str, generation: int) -> None:
    """Ask one release everything; the product that was removed is never in an answer."""
    answer = client.post("/v1/search", json={"text": "blue lamp", "top_k": 100}).json()
    assert (answer["release"], answer["generation"]) == (name, generation)
    found = {hit["product"]["item_id"] for hit in answer["hits"]}
    assert len(found) == release(name)["items"] and REMOVED not in found
    assert client.get(f"/v1/items/{REMOVED}").status_code == client.get(f"/v1/items/{REMOVED}/image").status_code == 404
    assert client.post("/v1/search", json={"item_id": REMOVED}).status_code == 404
    image = Path("shop/images/purple-chair.jpg").read_bytes()
    asked = client.post("/v1/search/image", files={"image": ("x.jpg", image, "image/jpeg")}, data={"top_k": 1})
    assert asked.json()["hits"][0]["product"]["item_id"] == "purple-chair"
    assert client.get("/v1/items/purple-chair/image").content == image
    categories = client.post("/v1/classify", files={"image": ("x.jpg", image, "image/jpeg")}).json()
    assert categories["release"] == name and len(categories["categories"]) == 4
    assert client.get("/v1/release").json()["id"] == name


def test_the_app_serves_its_releases_and_report(older: dict[str, Any]) -> None:
    with served() as client:
        assert client.get("/readyz").json()["release"] == LIVE
        check_answers(client, LIVE, 4)
        words = client.post("/v1/search", json={"text": "red mug", "facets": ["product_type"], "top_k": 5}).json()
        assert "red-mug" in {hit["product"]["item_id"] for hit in words["hits"]}
        assert client.get("/v1/release/report").content == Path(f"store/evaluations/{REPORT}/report.html").read_bytes()
        roll_back(RollBackConfig())
        end = time.monotonic() + 60
        while client.get("/readyz").json()["release"] != WITH_REMOVAL:
            assert time.monotonic() < end, client.get("/readyz").json()
            time.sleep(0.05)
        check_answers(client, WITH_REMOVAL, 5)
        assert client.get("/v1/release/report").status_code == 404, "only the pipeline measures"


def age(days: float) -> None:
    """Shift the time of every file of the store alike, so that the newest is so many days old."""
    paths = [path for path in Path("store").rglob("*") if path.is_file()]
    by = time.time() - days * 86_400 - max(path.stat().st_mtime for path in paths)
    for path in paths:
        os.utime(path, (path.stat().st_mtime + by,) * 2)


def whole_files() -> set[str]:
    """Every file that a manifest lists. Fails where one is missing or has other bytes."""
    found = set()
    for manifest in Path("store").glob("*/*/manifest.json"):
        for entry in json.loads(manifest.read_text())["files"]:
            path = manifest.parent / entry["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], path
            found.add(str(path.relative_to("store")))
    return found


def test_garbage_collection_keeps_what_releases_need(older: dict[str, Any]) -> None:
    age(days=10)
    before, whole = files(), whole_files()
    result = collect_garbage(GarbageConfig(keep_releases=1))
    assert result["dry_run"] and result["deleted"] == 0 and result["bytes"]["marked"] > 0
    assert "missing" not in result["bytes"] and files() == before

    real = GarbageConfig(dry_run=False, keep_releases=1)
    assert collect_garbage(real)["deleted"] == 0, "only marked so far"
    marks = stored("tombstones/marked.json")
    shard_plans = {path for path in before if path.startswith("embeddings/") and "/plans/" in path}
    unneeded = {f"releases/{SECOND}", f"indexes/{SPARE_INDEX}", f"evaluations/{SPARE_REPORT}"}
    assert marks.keys() == unneeded | shard_plans, "the other releases are live, rolled back to next, or pinned"

    week_ago = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 7 * 86_400))
    Path("store/tombstones/marked.json").write_text(json.dumps(dict.fromkeys(marks, week_ago)))
    left = collect_garbage(real)
    lost = {path for path in before.keys() - files().keys() if not path.startswith("claims/")}
    assert left["finished"] and left["deleted"] == len(lost)
    assert lost == {path for path in before if path.startswith(tuple(marks))}
    assert whole_files() == whole - lost
    assert roll_back(RollBackConfig()).release == WITH_REMOVAL and promote(PromoteConfig(release=FIRST)).generation == 6
