"""The style of all figures: colours for colour-blind readers, light axes, the reader's own font."""

import base64
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Okabe & Ito, "Color Universal Design" (2008), darkened where needed for contrast on white.
BLUE = "#0b67ac"
ORANGE = "#d98200"
GREEN = "#00835f"
RED = "#c44e00"
INK = "#1f2933"
MUTED = "#6b7785"
FAINT = "#d9dfe5"
BASELINE = "#8b96a3"
FINETUNED = BLUE
BANDS = {"head": BLUE, "middle": GREEN, "tail": ORANGE, "unseen": RED}

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a category called "$5 & up" is text, not a formula
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": "#e8ecf0",
    "grid.linewidth": 0.8,
    "svg.hashsalt": "product-search",  # the same data gives the same bytes
    "svg.fonttype": "none",  # letters stay letters: small files, every alphabet
}
_FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', Roboto, Arial, sans-serif"


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Figure of ``width`` x ``height`` inches and its one axes in the house style (without pyplot's global state)."""
    with mpl.rc_context(_RC):  # type: ignore[arg-type]  # its stubs want every key spelt out
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


def set_title(figure: Figure, text: str) -> None:
    """Write the title at the figure's left edge, where it lines up with the report's text."""
    figure.suptitle(text, x=0.006, ha="left", fontsize=12, fontweight="bold")


def svg(figure: Figure) -> bytes:
    """Figure as SVG. No date inside, so equal figures are equal bytes. Call it inside `canvas`."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # text stays text: the browser has glyphs that the font used for layout may lack
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    # matplotlib repeats every label in a comment; a label is untrusted text of the shop
    text = re.sub(r"<!--.*?-->", "", buffer.getvalue().decode(), flags=re.DOTALL)
    return text.replace("'DejaVu Sans'", _FONTS).encode()


def data_uri(content: bytes, mime: str = "image/svg+xml") -> str:
    """Content as a ``data:`` URI, for reports and Prefect image artifacts."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def shorten(text: object, limit: int = 28) -> str:
    """One line of at most ``limit`` characters, cut with an ellipsis."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def empty(message: str, width: float = 7.0) -> bytes:
    """A small SVG with a message instead of a figure."""
    with canvas(width, 1.4) as (figure, axes):
        axes.set_axis_off()
        axes.text(0.5, 0.5, message, ha="center", va="center", color=MUTED, transform=axes.transAxes)
        return svg(figure)


def bars(table: pd.DataFrame, title: str, room: float = 1.12) -> bytes:
    """Horizontal bars, the first row on top. Columns: label, value, color, and the text beside the bar.

    ``room``: width of the figure in lengths of the longest bar, so that the texts fit.
    """
    with canvas(7.2, 0.9 + 0.27 * len(table)) as (figure, axes):
        drawn = axes.barh(range(len(table)), table["value"], color=table["color"], height=0.7)
        axes.bar_label(drawn, table["text"], padding=4, fontsize=9, color=MUTED)
        axes.set_yticks(range(len(table)), table["label"])
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.set_xlim(0, room * (table["value"].max() or 1))
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        set_title(figure, title)
        return svg(figure)
