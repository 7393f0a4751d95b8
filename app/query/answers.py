"""Answers to queries. Each names the one release it was found in."""

from pydantic import BaseModel

from app.query.facets import Facet
from app.query.question import Channel
from app.serving.items import Product


class Hit(BaseModel, frozen=True):
    """One product found: its place (from 1) and its score.

    That is the cosine between query and image; by words BM25, which tells nothing beyond the order; by both how well
    words and image fit, where 1 is the best of either.
    """

    rank: int
    score: float
    product: Product


class Category(BaseModel, frozen=True):
    """A category with the classifier's probability."""

    label: str
    probability: float


class Answer(BaseModel, frozen=True):
    """What was found, and the one release it was found in.

    total: products that the filter leaves; by words alone those of them that have any; with ``sort`` those that are
    sorted. mode: by what it was found. corrected: the words with typos mended, where they were and the answer is to
    those.
    """

    release: str
    generation: int
    total: int
    offset: int = 0
    hits: list[Hit]
    facets: list[Facet] | None = None
    categories: list[Category] | None = None
    mode: Channel = "vector"
    corrected: str | None = None
    like: Product | None = None
    milliseconds: float


class Answers(BaseModel, frozen=True):
    """Answers to a batch of queries, in their order, all of one release."""

    release: str
    generation: int
    answers: list[Answer]


class Categories(BaseModel, frozen=True):
    """Likely categories of an image, best first."""

    release: str
    generation: int
    categories: list[Category]
