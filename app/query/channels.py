"""The channels of a search: how images look, the words of the shop, or both, fused."""

from dataclasses import replace

import numpy as np

from app.errors import NoWordIndex
from app.query.question import Part, Question
from app.serving.row_filters import FilteredRows
from app.serving.snapshot import Snapshot
from tasks.lexical.search import LexicalMatch
from tasks.retrieval.fusion import fuse

_FUSED = 256  # best rows of each channel; doubled for later pages, so that those of one depth are of one ranking


def match_words(snapshot: Snapshot, question: Question) -> tuple[Question, LexicalMatch | None]:
    """The question with its typos mended, and how well each product has its words; None for a search by images alone.

    Its mode is the one that answers, never "auto". Raises NoWordIndex.
    """
    if question.mode == "auto":
        question = replace(question, mode="hybrid" if snapshot.words and question.words else "vector")
    if question.mode == "vector" or question.words is None:
        return question, None
    if snapshot.words is None:
        raise NoWordIndex(
            f"Release {snapshot.release.id} was made without a word index, so mode {question.mode!r} cannot be "
            f"answered. Leave `mode` out; the next release has one."
        )
    match = snapshot.words.match(question.words, question.correct)
    return (replace(question, parts=(Part(match.corrected),)) if match.corrected else question), match


def find(
    snapshot: Snapshot, query: np.ndarray | None, match: LexicalMatch | None, filtered: FilteredRows, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows, best first, at most ``width``: of a query vector (1, d), of matched words, or of both."""
    width = min(width, filtered.count)
    if not width:
        return np.empty(0, np.float32), np.empty(0, np.int64)
    if query is None:
        assert match is not None, "a question has words or vectors"
        return match.best(width, filtered.mask)
    if match is None:
        return _by_vector(snapshot, query, filtered, width)
    return _by_both(snapshot, query, match, filtered, width)


def _by_both(
    snapshot: Snapshot, query: np.ndarray, match: LexicalMatch, filtered: FilteredRows, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best of either channel, each judged by both."""
    depth = _FUSED
    while depth < width:
        depth *= 2
    candidates = np.zeros(match.scores.shape, np.bool_)
    candidates[_by_vector(snapshot, query, filtered, min(depth, filtered.count))[1]] = True
    candidates[match.best(depth, filtered.mask)[1]] = True
    cosines, rows = _by_vector(snapshot, query, FilteredRows.of(candidates), int(candidates.sum()))
    scores = fuse(match.scores[rows], cosines, match.coverage)
    order = np.lexsort((rows, -scores))[:width]
    return scores[order], rows[order]


def _by_vector(
    snapshot: Snapshot, query: np.ndarray, filtered: FilteredRows, width: int
) -> tuple[np.ndarray, np.ndarray]:
    scores, rows = snapshot.searcher.search(query, width, filtered.packed)
    found = rows[0] >= 0
    return scores[0][found], rows[0][found]
