"""Answers to queries. Each names the one release it was found in."""

from pydantic import BaseModel, ConfigDict

from app.query.facets import Facet
from app.serving.items import Product


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Hit(_Answer):
    """One product found: its place (from 1) and the cosine between query and image."""

    rank: int
    score: float
    product: Product


class Category(_Answer):
    """A category with the classifier's probability."""

    label: str
    probability: float


class Answer(_Answer):
    """What was found, and the one release it was found in. ``total``: products that the filter leaves."""

    release: str
    generation: int
    total: int
    offset: int = 0
    hits: list[Hit]
    facets: list[Facet] | None = None
    categories: list[Category] | None = None
    like: Product | None = None
    milliseconds: float


class Answers(_Answer):
    """Answers to a batch of queries, in their order, all of one release."""

    release: str
    generation: int
    answers: list[Answer]


class Categories(_Answer):
    """Likely categories of an image, best first."""

    release: str
    generation: int
    categories: list[Category]
