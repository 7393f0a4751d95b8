"""Text of a shop made plain: no markup, no control characters, no stand-ins for "nothing"."""

import html
import json
import math
import re
import unicodedata
from typing import Any

TITLE_CHARACTERS = 1_000
TEXT_CHARACTERS = 20_000

_NOTHING = {
    "nan", "null", "none", "n/a", "na", "nil", "undefined", "-", "--", "#n/a", "<na>", "\\n", "(null)",
    "(none)", "[]", "{}", "#ref!", "#value!", "#name?", "nat",
}  # fmt: skip
_UNSEEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_BULLET = re.compile(r"<li\b[^<>]*>", re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:br|p|div|tr|td|th|ul|ol|li|table|tbody|h[1-6]|hr|section|article|header|footer|dl|dt|dd)\b[^<>]*>", re.I
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u200b]")
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=\S)")


def plain(text: str, limit: int = TEXT_CHARACTERS) -> str:
    """``text`` without markup, entities, control characters and doubled spaces; at most ``limit`` characters."""
    text = text.lstrip()[: limit * 2]
    if "<" in text or "&" in text:
        text = html.unescape(_without_tags(text))
        if "<" in text:  # the shop had escaped its own markup
            text = _without_tags(text)
    if text.isascii() and text.isprintable():  # most cells: nothing to normalise, and no blank but the space
        return " ".join(text.split())[:limit].strip()
    text = unicodedata.normalize("NFC", _CONTROL.sub(" ", text))
    return _SPACE.sub(" ", text).strip()[:limit].strip()


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    text = _BULLET.sub(" • ", _UNSEEN.sub(" ", text))
    return _TAG.sub("", _BLOCK.sub(" ", text))


def word(text: str, limit: int = TEXT_CHARACTERS) -> str:
    """Like ``plain``, and ``""`` for what exports write where there is nothing: nan, null, N/A, -."""
    text = plain(text, limit)
    return "" if text.lower() in _NOTHING else text


def title(text: str) -> str:
    """A title, or ``""`` if it has no letter or digit."""
    text = word(text, TITLE_CHARACTERS)
    return text if any(character.isalnum() for character in text) else ""


def identifier(text: str) -> str:
    """An id: opaque, only trimmed; "" for what exports write where there is nothing."""
    text = text.strip()
    return "" if text.lower() in _NOTHING else text


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return _SENTENCE_END.split(text, maxsplit=1)[0].strip()


def cell_text(value: Any) -> str:
    """One cell of any table as text. Integral floats lose their ``.0``, which pandas gives to ids beside gaps."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)
    return str(value)


def has_stray_bytes(text: str) -> bool:
    """Whether ``text`` was decoded from bytes that are not in its encoding (kept as surrogates)."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def showable(text: str, limit: int = 300) -> str:
    """``text`` as it may stand in a table or a log: encodable, one line, cut at ``limit`` characters."""
    text = _SPACE.sub(" ", text.encode("utf-8", "backslashreplace").decode()).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
