"""Questions with one part."""

from PIL import Image

from app.query.question import Part, Question


def by_text(words: str, top_k: int | None = None) -> Question:
    return Question((Part(words),), top_k=top_k)


def by_image(image: Image.Image, top_k: int | None = None) -> Question:
    return Question((Part(image),), top_k=top_k)


def like_item(item_id: str, top_k: int | None = None) -> Question:
    return Question((Part(item_id, item=True),), top_k=top_k)
