"""Answers queries: each from exactly one release, which the answer names."""

import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from app.errors import BadRequest, NoClassifier, TakenDown, UnknownItem
from app.items import Product
from app.live import Live
from app.pictures import Pictures
from app.settings import AppSettings
from app.snapshot import Snapshot


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Hit(_Answer):
    """One product found: its place (from 1) and the cosine between query and picture."""

    rank: int
    score: float
    product: Product


class Category(_Answer):
    """A category with the classifier's probability."""

    label: str
    probability: float


class Answer(_Answer):
    """What was found, and the one release it was found in."""

    release: str
    generation: int
    hits: list[Hit]
    categories: list[Category] | None = None
    like: Product | None = None
    milliseconds: float


class Categories(_Answer):
    """Likely categories of a picture, best first."""

    release: str
    generation: int
    categories: list[Category]


class Search:
    """The queries of page and API. Thread-safe; every method holds one snapshot from start to end."""

    def __init__(self, live: Live, pictures: Pictures, settings: AppSettings) -> None:
        self.live, self.pictures, self.settings = live, pictures, settings

    def by_text(self, text: str, top_k: int | None = None) -> Answer:
        """Products whose pictures fit the words. Raises BadRequest, NothingPublished."""
        words = " ".join(text.split())
        if not words:
            raise BadRequest("The query is empty. Describe a product in a few words.")
        if len(words) > self.settings.max_query_chars:
            raise BadRequest(f"The query has {len(words)} characters, the limit is {self.settings.max_query_chars}.")
        return self._answer(lambda snapshot: snapshot.encoder.encode_texts([words]), top_k)

    def by_picture(self, picture: Image.Image, top_k: int | None = None) -> Answer:
        """Products that look like the picture, and its category where the release has a classifier."""
        return self._answer(lambda snapshot: snapshot.encoder.encode_images([picture]), top_k, classify=True)

    def like_item(self, item_id: str, top_k: int | None = None) -> Answer:
        """Products that look like a product of the catalogue, without itself. Raises UnknownItem."""
        started = time.perf_counter()
        wanted = self._limit(top_k)
        with self.live.acquire() as snapshot:
            row = _row_of(snapshot, item_id)
            product = snapshot.items.product(row)
            vectors = snapshot.encoder.encode_images([self.pictures.read(product.image_sha256)])
            hits = [hit for hit in self._hits(snapshot, vectors, wanted + 1) if hit.product.item_id != item_id][:wanted]
            hits = [hit.model_copy(update={"rank": rank}) for rank, hit in enumerate(hits, start=1)]
            categories = self._categories(snapshot, vectors)
            return _answer(snapshot, hits, started, categories=categories, like=product)

    def classify(self, picture: Image.Image, top_k: int = 5) -> Categories:
        """Likely categories of a picture. Raises NoClassifier, NothingPublished."""
        with self.live.acquire() as snapshot:
            if snapshot.head is None:
                raise NoClassifier(
                    f"Release {snapshot.release.id} was made without a classifier, so it knows no categories."
                )
            found = self._categories(snapshot, snapshot.encoder.encode_images([picture]), top_k)
            return Categories(
                release=snapshot.release.id, generation=snapshot.pointer.generation, categories=found or []
            )

    def product(self, item_id: str) -> Product:
        """One product of the live release. Raises UnknownItem, NothingPublished."""
        with self.live.acquire() as snapshot:
            return snapshot.items.product(_row_of(snapshot, item_id))

    def picture_hash(self, item_id: str, shown: str | None = None) -> str:
        """Hash of a product's picture. ``shown``: the hash an open page asks for, which a newer release may lack."""
        with self.live.acquire() as snapshot:
            _refuse_taken_down(snapshot, item_id)  # an open page may not show it either
            current = snapshot.items.picture_of(item_id)
        if shown and shown != current and self.live.departed_picture(item_id, shown):
            return shown
        if current is None:
            raise UnknownItem(f"The live release has no product {item_id[:80]!r}.")
        return current

    def _answer(self, encode: Callable[[Snapshot], np.ndarray], top_k: int | None, classify: bool = False) -> Answer:
        started = time.perf_counter()
        wanted = self._limit(top_k)
        with self.live.acquire() as snapshot:  # before encoding: encoder and index must be of one release
            vectors = encode(snapshot)
            hits = self._hits(snapshot, vectors, wanted)
            return _answer(
                snapshot, hits, started, categories=self._categories(snapshot, vectors) if classify else None
            )

    def _hits(self, snapshot: Snapshot, vectors: np.ndarray, wanted: int) -> list[Hit]:
        if not len(snapshot.items):
            return []
        width = min(wanted, len(snapshot.items))
        scores, rows = snapshot.searcher.search(vectors, width, snapshot.allowed)
        found = ((float(score), int(row)) for score, row in zip(scores[0], rows[0], strict=True) if row >= 0)
        return [
            Hit(
                rank=rank,
                score=round(score, 4) + 0.0,  # + 0.0: never "-0.0"
                product=snapshot.items.product(row),
            )
            for rank, (score, row) in enumerate(found, start=1)
        ]

    def _categories(self, snapshot: Snapshot, vectors: np.ndarray, top_k: int = 3) -> list[Category] | None:
        if snapshot.head is None:
            return None
        return [
            Category(label=label, probability=share) for label, share in snapshot.head.predict(vectors, top_k=top_k)[0]
        ]

    def _limit(self, top_k: int | None) -> int:
        wanted = self.settings.top_k if top_k is None else top_k
        if not 1 <= wanted <= self.settings.max_top_k:
            raise BadRequest(f"top_k is {wanted}; ask for 1 to {self.settings.max_top_k} results.")
        return wanted


def _refuse_taken_down(snapshot: Snapshot, item_id: str) -> None:
    if when := snapshot.items.removed_at(item_id):
        raise TakenDown(f"Product {item_id[:80]!r} was taken down on {when:%d %B %Y}. It cannot be shown any more.")


def _row_of(snapshot: Snapshot, item_id: str) -> int:
    _refuse_taken_down(snapshot, item_id)
    row = snapshot.items.row_of(item_id)
    if row is None:
        raise UnknownItem(
            f"Release {snapshot.release.id} has no product {item_id[:80]!r}: it may have left the catalogue."
        )
    return row


def _answer(snapshot: Snapshot, hits: list[Hit], started: float, **more: object) -> Answer:
    return Answer(
        release=snapshot.release.id,
        generation=snapshot.pointer.generation,
        hits=hits,
        milliseconds=round(1000 * (time.perf_counter() - started), 1),
        **more,  # type: ignore[arg-type]
    )
