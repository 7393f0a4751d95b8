"""What a catalogue has enough items for: told from its figures, before the expensive steps."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.catalog.splits import FEWEST
from tasks.classifier.classes import why_none
from tasks.classifier.config import ClassifierConfig
from tasks.clip.config import FinetuneConfig
from tasks.schema.errors import ConfigError
from tasks.schema.manifest import ArtifactRef
from tasks.store.artifacts.cache import fetch_table
from tasks.store.objects.store import Store

Split = Literal["val", "test"]
_MEASURED: tuple[Split, ...] = ("val", "test")
CUT_OFFS = (1, 5, 10)  # of recall, in the headline


class Steps(BaseModel):
    """The optional steps that can be done, and in ``notes`` those that cannot, each with its reason."""

    model_config = ConfigDict(frozen=True)

    splits: tuple[Split, ...]
    fine_tune: bool
    classify: bool
    notes: tuple[str, ...] = ()


def choose_steps(
    store: Store, catalog: ArtifactRef, training: FinetuneConfig | None, classifier: ClassifierConfig | None
) -> Steps:
    """What of a pipeline this catalogue allows. A step whose config is None is not asked for, and so not noted."""
    items = fetch_table(store, catalog, "items.parquet", columns=["split", "group_id"])
    size = Counter(items["split"].to_pylist())
    splits = tuple(split for split in _MEASURED if size[split] >= FEWEST)
    notes = [f"not measured on {split}: {_few(size[split])}" for split in _MEASURED if split not in splits]
    notes += _trivial(splits[-1], size[splits[-1]]) if splits else []
    no_training = _why_not_trained(size, training) if training else ""
    no_classifier = why_none(_class_counts(store, catalog), classifier) if classifier else ""
    if no_training:
        notes.append(f"not fine-tuned: {no_training}")
    if no_classifier:
        notes.append(f"no classifier: {no_classifier}")
    if len(splits) < len(_MEASURED):
        notes += _large_group(Counter(items["group_id"].to_pylist()), items.num_rows)
    return Steps(
        splits=splits,
        fine_tune=training is not None and not no_training,
        classify=classifier is not None and not no_classifier,
        notes=tuple(notes),
    )


def require_classes(store: Store, catalog: ArtifactRef, config: ClassifierConfig) -> None:
    """Raise ConfigError where no classifier can be trained on the catalogue."""
    why = why_none(_class_counts(store, catalog), config)
    if why:
        raise ConfigError(
            f"Catalogue {catalog.id} cannot have a classifier: {why}. The pipeline leaves it out by itself. For one, "
            "map a category column with more items a class, or lower classifier.min_items_per_class."
        )


def too_few_to_measure(catalog: ArtifactRef, split: str, found: int, groups: Counter[str]) -> str:
    """What to say, and what to do, where a split cannot be measured."""
    advice = _large_group(groups, groups.total()) or ["give a larger catalogue, raise the split's share"]
    others = [name for name in _MEASURED if name != split]
    return (
        f"Split {split!r} of catalogue {catalog.id} has {found} items, {FEWEST} or more are needed to measure: "
        f"{advice[0]}, or measure another split (--splits {others[0]})."
    )


def _trivial(split: str, items: int) -> list[str]:
    names = " and ".join(f"recall@{k}" for k in CUT_OFFS if k >= items)
    return [f"{names} not measured: {split} has {items} products, so all are among the first"] if names else []


def _few(items: int) -> str:
    return f"{items} product{'' if items == 1 else 's'}, {FEWEST} are needed"


def _why_not_trained(size: Counter[str], config: FinetuneConfig) -> str:
    least = FEWEST * (config.accumulate or 1)
    if size["train"] < least:
        return f"{size['train']} training product{'' if size['train'] == 1 else 's'}, {least} are needed"
    if size["val"] < FEWEST:
        return f"nothing to choose the best step by: val has {_few(size['val'])}"
    return ""


def _class_counts(store: Store, catalog: ArtifactRef) -> dict[tuple[str, str], int]:
    items = fetch_table(store, catalog, "items.parquet", columns=["split", "category_l1"])
    counted = items.group_by(["split", "category_l1"]).aggregate([([], "count_all")]).to_pylist()
    return {(row["split"], row["category_l1"] or ""): row["count_all"] for row in counted}


def _large_group(groups: Counter[str], items: int) -> list[str]:
    """Advice where one design holds most of the shop, so that no split can have a part of it."""
    largest = max(groups.values(), default=0)
    if largest <= max(FEWEST, items / 2):
        return []
    return [f"one design holds {largest} of {items} products: map group_id to a column that tells designs apart"]
