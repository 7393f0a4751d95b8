"""Cells of a shop made plain."""

import html
import re

from hypothesis import example, given
from hypothesis import strategies as st

from tasks.catalog.text import plain


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=60), st.integers(1, 70))
@example("  0", 1)
@example("a     b", 3)
def test_what_needs_no_work_comes_out_as_from_the_whole_treatment(text: str, limit: int) -> None:
    """Printable ASCII takes a short way; an unseen character makes the same text take the long one."""
    told = plain(text, limit)
    assert told == told.strip() and len(told) <= limit and not re.search(r"\s\s|[\x00-\x1f\x7f]", told)
    if not re.search(r"[<&]", text):
        read = text.lstrip()[: 2 * limit]  # of a cell that is mostly blanks no more is looked at
        assert told == re.sub(r"\s+", " ", plain("\u200b" + read, limit + 1)).strip()[:limit].strip()


def test_markup_and_entities_are_gone() -> None:
    assert plain("<p>Oak &amp; steel</p>  <b>desk</b>") == "Oak & steel desk"
    assert plain(html.escape("<ul><li>a</li><li>b</li></ul>")) == "• a • b"
