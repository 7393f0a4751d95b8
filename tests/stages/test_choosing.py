"""What is left out where a catalogue has too little for it: told before any expensive step, without Prefect."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import FinetuneConfig
from tasks.retrieval.config import EvaluationConfig
from tasks.schema.errors import ConfigError
from tasks.schema.manifest import ArtifactRef
from tasks.schema.tables import ITEMS
from tasks.stages import evaluation
from tasks.stages.choosing import Steps, choose_steps, require_classes
from tasks.store.artifacts.building import building
from tasks.store.artifacts.commit import commit
from tests.conftest import TinyShop, item

Store = Callable[[list[dict[str, Any]]], ArtifactRef]


@pytest.fixture
def stored(empty_store: TinyShop, tmp_path: Any) -> Store:
    def store(rows: list[dict[str, Any]]) -> ArtifactRef:
        folder = tmp_path / "catalog"
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=ITEMS), folder / "items.parquet")
        return commit(empty_store.store, "catalog", f"made-{len(rows)}", folder, recipe=1).ref

    return store


def rows(train: int, val: int, test: int, classes: int = 2, **fields: Any) -> list[dict[str, Any]]:
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    return [
        item("red", "mug", item_id=f"{at}", group_id=f"g{at}", split=split, category_l1=f"class {at % classes}")
        | fields
        for at, split in enumerate(splits)
    ]


def chosen(shop: TinyShop, catalog: ArtifactRef, **training: Any) -> Steps:
    return choose_steps(shop.store, catalog, FinetuneConfig(**training), ClassifierConfig())


def test_a_shop_with_enough_leaves_nothing_out(empty_store: TinyShop, stored: Store) -> None:
    steps = chosen(empty_store, stored(rows(40, 12, 12)))
    assert steps == Steps(splits=("val", "test"), fine_tune=True, classify=True, notes=())


@pytest.mark.parametrize(
    ("catalog", "splits", "fine_tune", "classify", "notes"),
    [
        (rows(40, 12, 12, classes=1), ("val", "test"), True, False, ["no classifier: 1 class"]),
        (rows(40, 12, 12, classes=64), ("val", "test"), True, False, ["no classifier: 0 of 64 classes have 3 or more"]),
        (
            rows(1, 0, 0),
            (),
            False,
            False,
            [
                "not measured on val: 0 products, 2 are needed",
                "not measured on test: 0 products, 2 are needed",
                "not fine-tuned: 1 training product, 2 are needed",
                "no classifier: 1 class",
            ],
        ),
        (
            rows(12, 1, 12),
            ("test",),
            False,
            True,
            ["not measured on val: 1 product, 2", "nothing to choose the best step by: val has 1 product, 2"],
        ),
        (
            rows(12, 2, 0),
            ("val",),
            True,
            False,
            ["not measured on test", "recall@5 and recall@10 not measured: val has 2", "no classifier: no test prod"],
        ),
        (
            rows(40, 0, 1, group_id="handmade-item-1"),
            (),
            False,
            False,
            ["on val", "on test", "not fine-tuned", "no classifier", "one design holds 41 of 41 products: map group"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_named_with_its_reason(
    empty_store: TinyShop, stored: Store, catalog: Any, splits: Any, fine_tune: bool, classify: bool, notes: list[str]
) -> None:
    steps = chosen(empty_store, stored(catalog))
    assert (steps.splits, steps.fine_tune, steps.classify) == (splits, fine_tune, classify)
    assert len(steps.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, steps.notes, strict=True)), steps.notes


def test_accumulated_batches_need_as_many_pairs(empty_store: TinyShop, stored: Store) -> None:
    steps = chosen(empty_store, stored(rows(6, 12, 12)), accumulate=4)
    assert steps.notes[0] == "not fine-tuned: 6 training products, 8 are needed"


def test_what_was_not_asked_for_is_not_missed(empty_store: TinyShop, stored: Store) -> None:
    steps = choose_steps(empty_store.store, stored(rows(12, 12, 12, classes=1)), None, None)
    assert (steps.fine_tune, steps.classify, steps.notes) == (False, False, ())


def test_alone_a_step_is_refused_with_the_remedy(empty_store: TinyShop, stored: Store) -> None:
    with pytest.raises(ConfigError, match=r"1 class\. The pipeline leaves it out by itself.*map a category column"):
        require_classes(empty_store.store, stored(rows(12, 3, 3, classes=1)), ClassifierConfig())
    require_classes(empty_store.store, stored(rows(13, 3, 3)), ClassifierConfig())
    for one, remedy in ((rows(50, 0, 4), "larger catalogue"), (rows(60, 0, 1, group_id="g"), "map group_id")):
        with (
            pytest.raises(ConfigError, match=rf"'val' .* has 0 items, 2 or more.*{remedy}.*--splits test"),
            building(empty_store.store, "evaluation", 1, {}, {"n": len(one)}) as build,
        ):
            evaluation.measure(build, empty_store.model(), stored(one), "val", EvaluationConfig())
