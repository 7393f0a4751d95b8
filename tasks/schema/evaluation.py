"""What counts as a right answer in a stored evaluation: keys of its JSON, and parts of its column names."""

from typing import Any

#: Only the product's own image (or title) is right.
SINGLE_POSITIVE = "single_positive"
#: Every product of the same title or design is right.
MULTI_POSITIVE = "multi_positive"
#: The same, every distinct query counted once however many products have its title or design.
DISTINCT_QUERIES = "distinct_queries"
_FORMER = {"strict": SINGLE_POSITIVE}  # stored evaluations keep the name they were written with


def current_key(name: str) -> str:
    """The current spelling of a stored key or column, e.g. ``text_to_image/strict/mrr``."""
    return "/".join(_FORMER.get(part, part) for part in name.split("/"))


def current_keys(stored: Any) -> Any:
    """Stored JSON with the current spelling of every key, at any depth. Values stay."""
    if isinstance(stored, dict):
        return {current_key(key): current_keys(value) for key, value in stored.items()}
    return [current_keys(value) for value in stored] if isinstance(stored, list) else stored
