"""The plot of `benchmarks/cost_curve.py`: processor seconds and memory of each stage against the number of products."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.cost.figures import Spent
from tasks.report.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, RED, canvas, set_title, svg

_COLORS = (BLUE, MUTED, ORANGE, GREEN, RED, MUTED, INK)
_MARKS = "os^Dv*P"


def draw(stages: Mapping[str, Mapping[int, Spent]]) -> bytes:
    """SVG: two panels with logarithmic axes, one line a stage. A faint line in each shows what linear growth is."""
    with canvas(9.4, 4.2) as (figure, left):
        figure.delaxes(left)
        panels = figure.subplots(1, 2)
        for axes, unit in zip(panels, ("processor seconds", "MB at the peak"), strict=True):
            _panel(axes, stages, unit)
        panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9, handlelength=1.6)
        set_title(figure, "What each stage takes, by number of products")
        return svg(figure)


def _panel(axes: Axes, stages: Mapping[str, Mapping[int, Spent]], unit: str) -> None:
    highest = 0.0
    for (stage, points), color, mark in zip(stages.items(), _COLORS, _MARKS, strict=True):
        values = [spent.cores if unit != "MB at the peak" else spent.peak_mb for spent in points.values()]
        axes.plot(list(points), values, color=color, marker=mark, markersize=4.5, linewidth=1.5, label=stage)
        highest = max([highest, *values])
    sizes = sorted({items for points in stages.values() for items in points})
    axes.set(xscale="log", yscale="log", xlabel="products", ylabel=unit)
    axes.plot(sizes, [2 * highest * items / sizes[-1] for items in sizes], color=FAINT, linewidth=6, zorder=0)
    axes.set_xticks(sizes, [f"{items:,}" for items in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(axis="y")
