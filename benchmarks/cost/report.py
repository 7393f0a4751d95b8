"""What `benchmarks/cost_curve.py` tells: tables for docs/scale.md, and the bars."""

from benchmarks.cost.extrapolation import Assumptions, ends, estimate, number, table
from benchmarks.cost.figures import Figures, Spent, extended, memory_growth, time_growth

STAGES = ("prepare", "plan", "index", "publish", "replica", "quiet night", "night")
#: Sorting costs n log n and the machine is never quite the same twice: a tenth over linear is no finding.
_LINEAR = 1.15
#: Every vector is compared with 4 sqrt(n) cells.
_TIME = {"index": 1.6, "night": 1.6}
_BUILD_MB, _AT = 6 * 1024, 1_000_000
#: A night loads the model in two precisions, which hides what its index takes up to some 300 000 products.
_MEMORY = {"night": 1.4}
_AT_A_MILLION = {"prepare": (120, 4_000), "quiet night": (60, 2_000)}  # processor seconds, MB
_BYTES_A_VECTOR = 1100  # of 512 half-precision numbers
_PLOT = "![Processor seconds and memory of each stage by number of products](scale.svg)"
_LARGE = (1_000_000, 10_000_000, 100_000_000)


def measured(figures: Figures) -> str:
    """Markdown: a line for each stage, a column for each size."""
    sizes = sorted(figures.sizes)
    lines = [
        "| stage | " + " | ".join(f"{items:,}" for items in sizes) + " | time | memory |",
        "|---|" + "---:|" * (len(sizes) + 2),
    ]
    for stage in STAGES:
        points = figures.of(stage)
        cells = [_cell(points[items]) if items in points else "-" for items in sizes]
        powers = [_power(grows(figures, stage)) for grows in (time_growth, memory_growth)]
        lines.append(f"| {stage} | " + " | ".join([*cells, *powers]) + " |")
    for name, stage, note, scale, unit in (
        ("search of one text", "replica", "search_ms", 1.0, "ms"),
        ("the same with its encoding", "replica", "answer_ms", 1.0, "ms"),
        ("replica, PSS", "replica", "pss_mb", 1.0, "MB"),
        ("index file", "index", "index_bytes", 1e-6, "MB"),
        ("catalogue, vectors, index in the store", "publish", "stored", 1e-6, "MB"),
    ):
        notes = _stored(figures) if note == "stored" else figures.note(stage, note)
        cells = [f"{number(scale * notes[items])} {unit}" if items in notes else "-" for items in sizes]
        lines.append(f"| {name} | " + " | ".join([*cells, "", ""]) + " |")
    return "\n".join(lines)


def _stored(figures: Figures) -> dict[int, float]:
    names = ("catalogs_bytes", "embeddings_bytes", "indexes_bytes", "sources_bytes")
    return {items: sum(spent.notes.get(name, 0.0) for name in names) for items, spent in figures.of("publish").items()}


def _cell(spent: Spent) -> str:
    return f"{spent.cores:.1f} s, {spent.peak_mb:,.0f} MB"


def _power(exponent: float | None) -> str:
    return "" if exponent is None else f"n^{exponent:.2f}"


def of_one_image(figures: Figures) -> str:
    """One line."""
    prices = figures.prices
    reading, embedding = (1000 * cores for cores in (prices.reading_cores, prices.embedding_cores))
    return (
        f"An image, on a sample of {prices.pictures}: {reading:.0f} processor ms to read, check and store it "
        f"({prices.stored_bytes / 1000:.0f} kB), {embedding:.0f} to embed it with {figures.model}, "
        f"{prices.embedding_mb:.0f} MB beside the model however many there are."
    )


def bars(figures: Figures) -> dict[str, bool]:
    """Each bar, and whether it is met. Growth needs three sizes."""
    found = {}
    for stage in STAGES:
        for what, exponent, bar in (
            ("time", time_growth(figures, stage), _TIME.get(stage, _LINEAR)),
            ("memory", memory_growth(figures, stage), _MEMORY.get(stage, _LINEAR)),
        ):
            if exponent is not None:
                found[f"{what} of {stage} grows as n^{exponent:.2f} (at most {bar})"] = exponent <= bar
    for stage, (cores, mb) in _AT_A_MILLION.items():
        spent = figures.of(stage).get(1_000_000)
        if spent:
            words = f"{stage} of a million takes {spent.cores:.0f} processor s and {spent.peak_mb:,.0f} MB"
            found[f"{words} (at most {cores} and {mb:,})"] = spent.cores <= cores and spent.peak_mb <= mb
    if len(figures.of("index")) > 1:  # one size does not tell what is fixed
        peaks = extended({items: spent.peak_mb for items, spent in figures.of("index").items()})
        found[f"an index of {_AT:,} builds in {peaks(_AT):,.0f} MB (at most {_BUILD_MB:,})"] = peaks(_AT) <= _BUILD_MB
    largest = max(figures.note("index", "index_bytes"))
    each = figures.note("index", "index_bytes")[largest] / largest
    found[f"a vector takes {each:,.0f} bytes (at most {_BYTES_A_VECTOR:,})"] = each <= _BYTES_A_VECTOR
    return found


def report(figures: Figures, given: Assumptions) -> dict[str, str]:
    """The parts of the document that are computed, by the name of their place in it."""
    return {
        "machine": figures.machine,
        "measured": f"{measured(figures)}\n\n{of_one_image(figures)}\n\n{_PLOT}",
        "assumed": "\n".join(
            f"- {field.description}: **{number(getattr(given, name))}** (`--{name.replace('_', '-')}`)"
            for name, field in Assumptions.model_fields.items()
        ),
        "extrapolated": table([estimate(figures, items, given) for items in _LARGE]),
        "ends": ends(figures, given),
    }


def fill(document: str, parts: dict[str, str]) -> str:
    """``document`` with each part between its two marks ``<!-- name -->`` and ``<!-- /name -->``."""
    for name, text in parts.items():
        before, mark, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- /{name} -->")
        if not mark or not end:
            raise SystemExit(f"the document has no place <!-- {name} --> ... <!-- /{name} -->")
        document = f"{before}{mark}{text}{end}{after}"
    return document
