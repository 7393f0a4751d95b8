"""Price tags as numbers. What a lone dot or comma means is decided over the column, not by the cell."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = re.compile(r"(?:\d|(?<![\d.,])[.,](?=\d\d?(?!\d)))(?:[\d.,'’]|[ \u00a0\u202f](?=\d{3}(?!\d)))*")
#: Words before a price that no longer holds; the last price of such a cell is the one to pay.
_FORMER = re.compile(
    r"\b(?:statt|war|uvp|vorher|bisher|was|instead|before|previously|rrp|msrp|list|avant|au lieu|ancien|antes|prima|"
    r"invece|zamiast|voor)\b",
    re.IGNORECASE,
)
_DECIMALS = re.compile(r"^\d*([.,])(?:\d{1,2}|\d{4,})$")
_LEADING_ZERO = re.compile(r"^0([.,])\d+$")


@dataclass(frozen=True)
class PriceStyle:
    """``dot_thousands``: "1.299" is 1299, as the column's other cells say."""

    dot_thousands: bool = False
    ambiguous: int = 0  # cells of the sample that alone do not say what their mark means: 1.299

    @classmethod
    def of(cls, cells: Iterable[str]) -> "PriceStyle":
        """The style of a column's texts: a lone dot before three digits marks thousands unless others' dots do not."""
        marks: Counter[str] = Counter()
        for cell in cells:
            for number in _NUMBER.findall(cell):
                marks.update(_decimal_mark(number))
        return cls(marks["lone dot"] > 0 and not marks["."], marks["lone dot"])

    def price(self, cell: str) -> float | None:
        """The price in a cell: "$1,299.00", "12,50 €", "1 299", ",89 €", "statt 20,00 € nur 15,00 €". None without one.

        Of several the first, which is the lower end of a range; the last one after a word like "was" or "statt". The
        last separator is the decimal one, unless it repeats (1.299.000) or stands alone before three digits: a comma
        always, a dot where the column says so.
        """
        found = list(_NUMBER.finditer(cell))
        if not found or cell[: found[0].start()].rstrip().endswith("-"):
            return None
        former = _FORMER.search(cell, 0, found[-1].start())
        return self._value((found[-1] if former else found[0]).group())

    def _value(self, number: str) -> float | None:
        digits = re.sub(r"['’\s]", "", number)
        last = max(digits.rfind("."), digits.rfind(","))
        if last >= 0:
            mark, after = digits[last], len(digits) - last - 1
            lone = after == 3 and ((mark == "," and "." not in digits) or (mark == "." and self.dot_thousands))
            thousands = digits.count(mark) > 1 or (lone and digits[0] != "0")
            whole = re.sub(r"[.,]", "", digits[:last])
            digits = whole + digits[last + 1 :] if thousands else f"{whole or 0}.{digits[last + 1 :]}"
        value = float(digits)
        return value if math.isfinite(value) else None


def _decimal_mark(number: str) -> list[str]:
    """What a number shows of its column's marks: the decimal one, or that a dot alone stands before three digits."""
    number = re.sub(r"['’\s]", "", number).rstrip(".,")
    if found := _DECIMALS.match(number) or _LEADING_ZERO.match(number):
        return [found.group(1)]
    if "," in number and "." in number:
        return [max(".,", key=number.rfind)]
    return ["lone dot"] if re.fullmatch(r"\d{1,3}\.\d{3}", number) else []
