"""Which classes a head can learn, told from counts alone: before any vector is made."""

from collections.abc import Mapping

from tasks.classifier.config import ClassifierConfig

#: (split, label) -> items; an empty label is none.
Counts = Mapping[tuple[str, str], int]


def train_counts(counts: Counts) -> dict[str, int]:
    """Training items of each class, by name."""
    return {label: n for (split, label), n in sorted(counts.items()) if label and split == "train"}


def learnable(counts: Counts, config: ClassifierConfig) -> tuple[str, ...]:
    """Classes with enough training items, by name."""
    return tuple(label for label, n in train_counts(counts).items() if n >= config.min_items_per_class)


def faults(counts: Counts, config: ClassifierConfig) -> list[str]:
    """Why no head can be trained, and what to do; empty where one can."""
    classes, found = learnable(counts, config), []
    if len(classes) < 2:
        found.append(
            f"{len(classes)} of {len(train_counts(counts))} classes have {config.min_items_per_class} or more training "
            "items, expected at least 2: lower min_items_per_class or take a label with more items per class"
        )
    if not any(n for (split, label), n in counts.items() if split == "val" and label in classes):
        rows = sum(n for (split, _), n in counts.items() if split == "val")
        found.append(f"no val row of a known class among {rows} val rows: give val a share")
    return found


def why_none(counts: Counts, config: ClassifierConfig) -> str:
    """Why a shop gets no classifier, in a few words; "" where it can have one, and its figures be measured."""
    labels = {label for _, label in counts if label}
    if len(labels) < 2:
        return f"{len(labels)} {'class' if len(labels) == 1 else 'classes'}"
    classes, least = learnable(counts, config), config.min_items_per_class
    if len(classes) < 2:
        return f"{len(classes)} of {len(labels)} classes have {least} or more training products, 2 are needed"
    if not any(split == "val" and label in classes for split, label in counts):
        return f"no val product is of a class with {least} or more training products"
    if not any(split == "test" and label for split, label in counts):
        return "no test product has a class to measure it on"
    return ""
