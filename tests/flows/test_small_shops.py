"""Small and odd shops through the real pipeline: each ends as a release that is served and says what it lacks."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import AppSettings
from flows.pipeline import PipelineConfig, pipeline
from flows.reindex import reindex
from tests.conftest import COLORS, SHAPES, draw_product

pytestmark = [pytest.mark.server, pytest.mark.slow]


def shop_of(root: Path, titles: Sequence[str]) -> Path:
    """A table of id, title and image alone; each image is another."""
    root.mkdir(exist_ok=True)
    with (root / "products.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "title", "image"])
        for at, title in enumerate(titles):
            image = draw_product(list(COLORS)[at % 4], SHAPES[at % 3], side=200 + at)
            (root / f"{at}.jpg").write_bytes(image)
            table.writerow([f"p{at}", title, f"{at}.jpg"])
    return root / "products.csv"


def release(source: Path, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = pipeline(
        PipelineConfig.model_validate(
            {
                "catalog": {"source": str(source)},
                "model": {"pretrained": "small"},
                "training": {"steps": 2},
                "metrics": {"bootstrap_samples": 100},
                **changes,
            }
        )
    )
    return result


def served() -> dict[str, Any]:
    """What the app answers about the release that is live; a query is answered as well."""
    app = create_app(AppSettings(device="cpu"))
    app.state.live.check()
    with TestClient(app) as client:
        answer: dict[str, Any] = client.get("/v1/release").json()
        found = client.post("/v1/search", json={"text": "mug", "top_k": 10}).json()
        assert found["release"] == answer["id"] and len(found["hits"]) == min(10, answer["items"])
        image = {"image": ("x.jpg", draw_product("red", "mug"), "image/jpeg")}
        refused = client.post("/v1/classify", files=image)
        assert refused.status_code == 409 and "no classifier: 1 class" in refused.text
        assert client.get("/").status_code == 200
    return answer


def test_two_products_and_no_category_are_served(prefect_server: str, store_in: Path, tmp_path: Path) -> None:
    shop = shop_of(tmp_path, ["red mug", "blue chair"])
    result = release(shop)
    answer = served()
    assert answer["id"] == result["release"] and answer["items"] == 2
    assert answer["classifier"] is None and not answer["evaluations"]
    assert answer["notes"] == result["notes"]
    assert [note.partition(":")[0] for note in answer["notes"]] == [
        "not measured on val", "not measured on test", "not fine-tuned", "no classifier",
    ]  # fmt: skip
    left_out = [row["figures"] for row in result["summary"] if row["step"] == "left out"]
    assert left_out == result["notes"] and result["report"] is None

    shop_of(tmp_path, ["red mug", "blue chair", "green lamp"])
    assert reindex()["changes"]["new"] == 1
    assert served()["notes"] == answer["notes"], "the next night serves the same model"


def test_products_without_categories_are_measured_and_trained(
    prefect_server: str, store_in: Path, tmp_path: Path
) -> None:
    result = release(shop_of(tmp_path, [f"{'abcdefghijklmnop'[at]}x mug" for at in range(16)]), channel="no-categories")
    assert result["report"] and result["notes"][-1] == "no classifier: 1 class"
    assert [row["step"] for row in result["summary"]][:4] == ["catalogue", "baseline", "fine-tuned", "index"]
