"""A search: words, images and products in any weighted mix, and which products may be found."""

from dataclasses import dataclass
from typing import Literal

from PIL import Image

from app.query.filters import Filter

#: Found by how images look, by the shop's words, or by both, fused.
Channel = Literal["vector", "lexical", "hybrid"]
#: "auto": by both where words alone are asked and the release can, else by how images look.
Mode = Literal["vector", "lexical", "hybrid", "auto"]
#: `Question.sort` for the best first.
RELEVANCE = "relevance"


@dataclass(frozen=True)
class Part:
    """One part of a question. ``content`` is words, a decoded image, or the id of a product (``item=True``).

    weight: how much it counts relative to the others; below zero it is what the answer should not look like.
    """

    content: str | Image.Image
    weight: float = 1.0
    item: bool = False


@dataclass(frozen=True)
class Question:
    """One search. ``top_k`` None takes the setting; ``facets``: columns whose values are counted.

    The modes "lexical" and "hybrid" take one part, which is words. correct: whether their typos are mended. sort:
    RELEVANCE, or a column of numbers, "-" before it for the highest first.
    """

    parts: tuple[Part, ...]
    where: Filter | None = None
    top_k: int | None = None
    offset: int = 0
    facets: tuple[str, ...] = ()
    mode: Mode = "vector"
    correct: bool = True
    sort: str = RELEVANCE

    @property
    def words(self) -> str | None:
        """The words, where it is asked by nothing else."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return str(first.content) if first and _is_words(first) and first.weight > 0 else None

    @property
    def encoded(self) -> tuple[Part, ...]:
        """The parts that need a vector."""
        return () if self.mode == "lexical" else self.parts

    @property
    def items(self) -> tuple[str, ...]:
        """Products that it asks for others like, which are no answer themselves."""
        return tuple(str(part.content) for part in self.parts if part.item and part.weight > 0)

    @property
    def shows_an_image(self) -> bool:
        """Whether its first part is an image, of a visitor or of a product, and so has a category."""
        first = self.parts[0]
        return (first.item or isinstance(first.content, Image.Image)) and first.weight > 0


def _is_words(part: Part) -> bool:
    return isinstance(part.content, str) and not part.item
