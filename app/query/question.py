"""A search: words, images and products in any weighted mix, and which products may be found."""

from dataclasses import dataclass

from PIL import Image

from app.query.filters import Filter


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
    """One search. ``top_k`` None takes the setting; ``facets``: columns whose values are counted."""

    parts: tuple[Part, ...]
    where: Filter | None = None
    top_k: int | None = None
    offset: int = 0
    facets: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[str, ...]:
        """Products that it asks for others like, which are no answer themselves."""
        return tuple(str(part.content) for part in self.parts if part.item and part.weight > 0)

    @property
    def shows_an_image(self) -> bool:
        """Whether its first part is an image, of a visitor or of a product, and so has a category."""
        first = self.parts[0]
        return (first.item or isinstance(first.content, Image.Image)) and first.weight > 0
