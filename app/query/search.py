"""Answers queries, each from exactly one release, which the answer names."""

import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from app.errors import BadRequest, NoClassifier, TakenDown, UnknownItem
from app.metrics import Metrics
from app.query.answers import Answer, Answers, Categories, Category, Hit
from app.query.channels import find, match_words
from app.query.compare import Comparison, compared
from app.query.encoding import Encoding
from app.query.facets import USEFUL, Facet, count_facet, useful_columns, without
from app.query.filters import count_clauses
from app.query.question import RELEVANCE, Part, Question
from app.query.sorting import sort_rows
from app.query.uploads import Uploads
from app.serving.columns import Mask
from app.serving.comparison import ComparisonRelease
from app.serving.history import History
from app.serving.images import ImageCache
from app.serving.items import Product
from app.serving.live import Live
from app.serving.row_filters import FilteredRows
from app.serving.snapshot import Snapshot
from app.settings import AppSettings
from tasks.catalog.images import ImageLimits
from tasks.lexical.search import LexicalMatch
from tasks.store.objects.store import Store

_NEAR = 200  # best results whose values come first in a facet, and which are sorted where not all are that were found


class Search:
    """The queries of page and API. Thread-safe; every method holds one snapshot from start to end."""

    def __init__(self, store: Store, live: Live, settings: AppSettings, metrics: Metrics | None = None) -> None:
        self.live, self.settings = live, settings
        self.metrics = metrics or Metrics()
        self.images = ImageCache(store, settings.picture_cache_mb * 1_000_000)
        self.history = History(store, settings.channel)
        self._comparison = ComparisonRelease(store, settings, live)
        self.uploads = Uploads(settings, self.metrics, self._picture_side)
        self._encoding = Encoding(self.images, settings, self.metrics)

    def answer(self, question: Question) -> Answer:
        """Products that fit the question best. Raises BadRequest, UnknownItem, NothingPublished."""
        return self.answers([question]).answers[0]

    def answers(self, questions: Sequence[Question]) -> Answers:
        """Answers to several questions, encoded together, from one release."""
        for question in questions:
            self.check(question)
        with self.live.acquire() as snapshot:  # before encoding: encoder and index must be of one release
            return self.answers_from(snapshot, questions)

    def answers_from(self, snapshot: Snapshot, questions: Sequence[Question]) -> Answers:
        """Answers from a snapshot that the caller holds."""
        started = time.perf_counter()
        with self.metrics.stage("total"):
            matched = [match_words(snapshot, question) for question in questions]
            encoded = self._encode(snapshot, [question for question, _ in matched])
            answers = [
                self._answer(snapshot, question, match, vectors, started)
                for (question, match), vectors in zip(matched, encoded, strict=True)
            ]
        return Answers(release=snapshot.release.id, generation=snapshot.pointer.generation, answers=answers)

    def compare(self, question: Question, release_id: str) -> Comparison:
        """Answers of the live release and of another one, which is loaded first where it is not in memory.

        Raises what `answer` raises, NoRoom, ArtifactMissing, ArtifactCorrupt, StoreUnavailable.
        """
        self.check(question)
        with self._comparison.hold(release_id) as (live, other):
            after, before = (self.answers_from(snapshot, [question]).answers[0] for snapshot in (live, other))
        return compared(before, after)

    def classify(self, image: Image.Image, top_k: int = 5) -> Categories:
        """Likely categories of an image. Raises NoClassifier, NothingPublished."""
        with self.live.acquire() as snapshot:
            if snapshot.head is None:
                why = next((f" ({note})" for note in snapshot.release.notes if "classifier" in note), "")
                raise NoClassifier(
                    f"Release {snapshot.release.id} was made without a classifier{why}, so it knows no categories."
                )
            found = _categories(snapshot, self._encoding.images(snapshot, [image]), top_k)
            return Categories(
                release=snapshot.release.id, generation=snapshot.pointer.generation, categories=found or []
            )

    def product(self, item_id: str) -> Product:
        """One product of the live release. Raises UnknownItem, NothingPublished."""
        with self.live.acquire() as snapshot:
            return snapshot.items.product(_row_of(snapshot, item_id))

    def image_hash(self, item_id: str, shown: str | None = None) -> str:
        """Hash of a product's image. ``shown``: the hash an open page asks for, which a newer release may lack."""
        with self.live.acquire() as snapshot:
            _refuse_taken_down(snapshot, item_id)  # an open page may not show it either
            current = snapshot.items.image_of(item_id)
        if shown and shown != current and self.live.departed_image(item_id, shown):
            return shown
        if current is None:
            raise UnknownItem(f"The live release has no product {item_id[:80]!r}.")
        return current

    def _picture_side(self) -> int:
        current = self.live.pool.current
        return current.picture_side if current else ImageLimits().side

    # One question

    def check(self, question: Question) -> None:
        """Raise BadRequest that names everything about a question that breaks a limit."""
        limits, faults = self.settings, []
        wanted = limits.top_k if question.top_k is None else question.top_k
        if not 1 <= wanted <= limits.max_top_k:
            faults.append(f"top_k is {wanted}; ask for 1 to {limits.max_top_k} results")
        if not 0 <= question.offset <= limits.max_offset:
            faults.append(f"offset is {question.offset}; ask for 0 to {limits.max_offset}")
        if not 1 <= len(question.parts) <= limits.max_terms:
            faults.append(f"the query has {len(question.parts)} parts; give 1 to {limits.max_terms}")
        if (clauses := count_clauses(question.where)) > limits.max_filter_clauses:
            faults.append(f"the filter has {clauses} clauses and values, the limit is {limits.max_filter_clauses}")
        if question.mode in ("lexical", "hybrid") and question.words is None:
            faults.append(f"mode {question.mode} takes words alone; give `text`, or leave `mode` out")
        faults += [fault for part in question.parts for fault in self._faults(part)]
        if faults:
            raise BadRequest(". ".join(fault[0].upper() + fault[1:] for fault in faults) + ".")

    def _faults(self, part: Part) -> list[str]:
        if part.item or not isinstance(part.content, str):
            return []
        length, limit = len(_words(part)), self.settings.max_query_chars
        if not length:
            return ["the query is empty: describe a product in a few words"]
        return [f"the query has {length} characters, the limit is {limit}"] if length > limit else []

    def _encode(self, snapshot: Snapshot, questions: Sequence[Question]) -> list[np.ndarray]:
        """(parts, d) float32 for each question; all words in one batch, all images in another."""
        parts = [part for question in questions for part in question.encoded]
        vectors = np.empty((len(parts), snapshot.encoder.dim), np.float32)
        words = [at for at, part in enumerate(parts) if isinstance(part.content, str) and not part.item]
        images = [at for at, part in enumerate(parts) if isinstance(part.content, Image.Image)]
        items = [at for at, part in enumerate(parts) if part.item]
        if words:
            vectors[words] = self._encoding.texts(snapshot, [_words(parts[at]) for at in words])
        if images:
            vectors[images] = self._encoding.images(snapshot, [_image(parts[at]) for at in images])
        if items:
            products = snapshot.items.products([_row_of(snapshot, str(parts[at].content)) for at in items])
            vectors[items] = self._encoding.products(snapshot, [product.image_sha256 for product in products])
        return np.split(vectors, np.cumsum([len(question.encoded) for question in questions])[:-1])

    def _answer(
        self,
        snapshot: Snapshot,
        question: Question,
        match: LexicalMatch | None,
        vectors: np.ndarray,
        started: float,
    ) -> Answer:
        query = _mixed(snapshot, question, vectors) if question.encoded else None
        filtered = snapshot.row_filters.matching(question.where)
        hidden = [row for item in question.items if (row := snapshot.items.row_of(item)) is not None]
        page = slice(question.offset, question.offset + (question.top_k or self.settings.top_k))
        with self.metrics.stage("search"):
            width = max(page.stop, _NEAR if question.facets else 0)
            if is_sorted := question.sort != RELEVANCE:  # the same products, whatever the page
                width = snapshot.items.rows if query is None else _NEAR
            scores, rows = find(snapshot, query, match, filtered, width + len(hidden))
            shown = ~np.isin(rows, hidden)
            scores, rows = scores[shown][:width], rows[shown][:width]
            order = sort_rows(snapshot.index.columns, question.sort, rows) if is_sorted else slice(None)
        found = match.found if match and query is None else None
        with self.metrics.stage("products"):
            hits = _hits(snapshot, scores[order][page], rows[order][page], question.offset)
        return Answer(
            release=snapshot.release.id,
            generation=snapshot.pointer.generation,
            total=len(rows) if is_sorted else _total(filtered, found, hidden),
            offset=question.offset,
            hits=hits,
            facets=_facets(snapshot, question, rows[:_NEAR], found) if question.facets else None,
            categories=_categories(snapshot, vectors[:1]) if question.shows_an_image else None,
            mode="vector" if match is None else "lexical" if query is None else "hybrid",
            corrected=match.corrected if match else None,
            like=snapshot.items.product(hidden[0]) if hidden else None,
            milliseconds=round(1000 * (time.perf_counter() - started), 1),
        )


def _mixed(snapshot: Snapshot, question: Question, vectors: np.ndarray) -> np.ndarray:
    query = snapshot.index.normaliser.mix(vectors, np.array([part.weight for part in question.parts]))
    if not query.any():
        raise BadRequest("The parts of the query cancel each other out. Change a weight.")
    return query


def _both(one: Mask | None, other: Mask | None) -> Mask | None:
    """Rows that are in two masks, of which None is all rows."""
    return other if one is None else one if other is None else one & other


def _total(filtered: FilteredRows, found: Mask | None, hidden: Sequence[int]) -> int:
    """Products that may answer: those that pass the filter and, if only they are ``found``, have words of the query."""
    mask = _both(filtered.mask, found)
    count = filtered.count if mask is filtered.mask or mask is None else int(mask.sum())
    return count - sum(mask is None or bool(mask[row]) for row in hidden)


def _hits(snapshot: Snapshot, scores: np.ndarray, rows: np.ndarray, offset: int) -> list[Hit]:
    ranked = zip(scores.tolist(), snapshot.items.products(rows), strict=True)
    return [
        Hit(rank=rank, score=round(score, 4) + 0.0, product=product)  # + 0.0: never "-0.0"
        for rank, (score, product) in enumerate(ranked, start=offset + 1)
    ]


def _facets(snapshot: Snapshot, question: Question, near: np.ndarray, found: Mask | None) -> list[Facet]:
    facets, columns = [], snapshot.row_filters.columns
    wanted = [name for given in question.facets for name in (useful_columns(columns) if given == USEFUL else [given])]
    for column in dict.fromkeys(wanted):
        others, values = without(question.where, column)
        allowed = _both(snapshot.row_filters.matching(others).mask, found)
        facets.append(count_facet(columns, column, allowed, near, values))
    return facets


def _categories(snapshot: Snapshot, vectors: np.ndarray, top_k: int = 3) -> list[Category] | None:
    if snapshot.head is None:
        return None
    return [Category(label=label, probability=share) for label, share in snapshot.head.predict(vectors, top_k=top_k)[0]]


def _words(part: Part) -> str:
    return " ".join(str(part.content).split())


def _image(part: Part) -> Image.Image:
    assert isinstance(part.content, Image.Image)
    return part.content


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
