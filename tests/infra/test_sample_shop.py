"""The sample shop: same seed same bytes, readable as ABO, days as recorded, broken things where shop.json says."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infra.sample_shop import build_shop, images
from infra.sample_shop.shop import DEFECT_KINDS, shop_on

ITEMS = 42


def tree(root: Path) -> dict[str, str]:
    """Path -> sha256 of every file below `root`."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def lines(root: Path) -> list[str]:
    """All listing lines of a shop, in export order."""
    shards = sorted((root / "listings/metadata").glob("listings_*.json.gz"))
    return [line for shard in shards for line in gzip.decompress(shard.read_bytes()).decode().splitlines()]


def listings(root: Path) -> dict[str, dict]:
    """item_id -> first well-formed listing with that id."""
    found: dict[str, dict] = {}
    for line in lines(root):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found.setdefault(row["item_id"], row)
    return found


def image_paths(root: Path) -> dict[str, str]:
    """image_id -> path of images.csv."""
    text = gzip.decompress((root / "images/metadata/images.csv.gz").read_bytes()).decode()
    return {row["image_id"]: row["path"] for row in csv.DictReader(io.StringIO(text))}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shop") / "day0"
    summary = build_shop(out, items=ITEMS, seed=7, workers=1)
    assert not summary.up_to_date
    return out


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop large enough to hold every kind of defect; its images are noise, because rendering 400 takes a while."""
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    monkeypatch.setattr(images, "render", lambda *_: noise)
    build_shop(tmp_path / "broken", items=300, seed=3, workers=1)
    return tmp_path / "broken"


def record(root: Path) -> dict:
    return json.loads((root / "shop.json").read_text())


def reasons(root: Path) -> dict[str, list[str]]:
    """What a careful reader finds wrong: kind of defect -> item ids (or the raw line, where it is not JSON)."""
    paths, seen, found = image_paths(root), set(), {kind: [] for kind in DEFECT_KINDS}
    for line in lines(root):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            found["malformed_json"].append(line)
            continue
        kind = reason(root, row, paths, seen)
        if kind:
            found[kind].append(row["item_id"])
        else:
            seen.add(row["item_id"])
    return found


def reason(root: Path, row: dict, paths: dict[str, str], seen: set[str]) -> str:
    """The kind of defect of one parsed listing, or nothing."""
    if row["item_id"] in seen:
        return "duplicate_item_id"
    if "item_name" not in row:
        return "missing_title"
    if not any(name["value"].strip() for name in row["item_name"]):
        return "blank_title"
    if "main_image_id" not in row:
        return "missing_main_image_id"
    if row["main_image_id"] not in paths:
        return "unknown_image_id"
    data = (root / "images/small" / paths[row["main_image_id"]]).read_bytes()
    if not data:
        return "zero_byte_image"
    if not data.startswith(b"\xff\xd8"):
        return "not_an_image"
    try:
        Image.open(io.BytesIO(data)).load()
    except OSError:
        return "truncated_image"
    return ""


def test_same_seed_gives_the_same_bytes_on_any_number_of_workers(shop: Path, tmp_path: Path) -> None:
    build_shop(tmp_path / "again", items=ITEMS, seed=7, workers=2)
    assert tree(tmp_path / "again") == tree(shop)


def test_a_second_run_does_nothing(shop: Path) -> None:
    before = tree(shop)
    assert build_shop(shop, items=ITEMS, seed=7, workers=1).up_to_date
    assert tree(shop) == before


def test_an_interrupted_run_is_completed(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "half"
    build_shop(out, items=12, seed=7, workers=1)
    whole = tree(out)
    (out / "shop.json").rename(out / "shop.partial.json")
    next((out / "images/small").glob("*/*.jpg")).unlink()
    assert not build_shop(out, items=12, seed=7, workers=1).up_to_date
    assert tree(out) == whole


def test_a_folder_that_is_not_a_shop_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="not empty"):
        build_shop(tmp_path, items=12)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_listings_and_images_read_as_abo(shop: Path) -> None:
    bad = {defect["item_id"] for defect in record(shop)["defects"]}
    paths = image_paths(shop)
    assert len(lines(shop)) == ITEMS
    assert all((shop / "images/small" / path).is_file() for path in paths.values())
    for item_id, row in listings(shop).items():
        if item_id in bad:
            continue
        assert row["product_type"][0]["value"].isupper()
        assert all(name["language_tag"] and name["value"].strip() for name in row["item_name"])
        for image_id in [row["main_image_id"], *row.get("other_image_id", [])]:
            with Image.open(shop / "images/small" / paths[image_id]) as image:
                image.load()
                assert image.mode == "RGB" and max(image.size) <= 256
        for node in row.get("node", []):
            assert node["node_name"].startswith("/")


def test_every_kind_of_defect_is_there_and_nothing_else_is_broken(broken: Path) -> None:
    listed: dict[str, list[str]] = {kind: [] for kind in DEFECT_KINDS}
    for defect in record(broken)["defects"]:
        listed[defect["kind"]].append(defect["item_id"])
    found = reasons(broken)
    assert all(listed[kind] for kind in DEFECT_KINDS)
    torn = found.pop("malformed_json")
    assert [json.loads(line.split(",")[0] + "}")["item_id"] for line in torn] == listed.pop("malformed_json")
    assert found == listed


def test_a_later_day_differs_exactly_as_recorded(shop: Path, tmp_path: Path) -> None:
    build_shop(tmp_path / "later", items=ITEMS, seed=7, day=1, workers=1)
    old, new, changes = listings(shop), listings(tmp_path / "later"), record(tmp_path / "later")["changes"]
    assert set(new) - set(old) == set(changes["new"])
    assert set(old) - set(new) == set(changes["gone"])
    texts = {i for i in old.keys() & new.keys() if old[i].get("item_name") != new[i].get("item_name")}
    images = {i for i in old.keys() & new.keys() if old[i].get("main_image_id") != new[i].get("main_image_id")}
    assert texts == set(changes["text_changed"])
    assert images == set(changes["image_changed"])
    same = old.keys() & new.keys() - texts - images
    assert all(old[i] == new[i] for i in same)
    assert all(changes[kind] for kind in ("new", "gone", "text_changed", "image_changed"))
    before, after = tree(shop / "images/small"), tree(tmp_path / "later/images/small")
    assert all(before[path] == after[path] for path in before.keys() & after.keys())


def test_a_new_day_in_the_same_folder_is_the_day_made_afresh(tmp_path: Path) -> None:
    build_shop(tmp_path / "kept", items=14, seed=7, day=0, workers=1)
    build_shop(tmp_path / "kept", items=14, seed=7, day=2, workers=1)
    build_shop(tmp_path / "fresh", items=14, seed=7, day=2, workers=1)
    assert tree(tmp_path / "kept") == tree(tmp_path / "fresh")


def test_types_have_a_long_tail_and_designs_come_in_colours() -> None:
    entries, _ = shop_on(0, 3000, 7)
    counts = [n for _, n in Counter(entry.product.type for entry in entries).most_common()]
    assert len(entries) == 3000 and 30 <= len(counts) <= 36
    assert counts[0] > 200 and counts[-1] < 30
    families = Counter(entry.product.key for entry in entries)
    in_families = sum(n for n in families.values() if n > 1)
    assert 0.25 <= in_families / len(entries) <= 0.35
    assert 0.35 <= sum(entry.product.has_second_view for entry in entries) / len(entries) <= 0.45


def test_a_family_shares_its_title_but_for_the_colour(shop: Path) -> None:
    rows = listings(shop)
    families = record(shop)["groups"]["families"]
    assert families
    for family in families:
        kept = [rows[item_id] for item_id in family if "item_name" in rows.get(item_id, {})]
        assert len({row["model_name"][0]["value"] for row in kept}) == 1
        assert len({row["brand"][0]["value"] for row in kept}) == 1


def test_copies_show_the_same_product(shop: Path) -> None:
    rows, paths, groups = listings(shop), image_paths(shop), record(shop)["groups"]
    assert groups["identical_pictures"] and groups["near_duplicates"]

    def data(item_id: str) -> bytes:
        return (shop / "images/small" / paths[rows[item_id]["main_image_id"]]).read_bytes()

    for copy, original in groups["identical_pictures"]:
        assert data(copy) == data(original)
    for copy, original in groups["near_duplicates"]:
        assert data(copy) != data(original)
