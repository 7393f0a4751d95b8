"""The arithmetic of `benchmarks/cost_curve.py`; tests/flows has its short form."""

from pathlib import Path

import pytest

from benchmarks.cost.extrapolation import Assumptions, estimate, index_bytes, last_that_fits
from benchmarks.cost.figures import Figures, Prices, Spent, each, extended, growth
from benchmarks.cost.plot import draw
from benchmarks.cost.report import STAGES, bars, fill, report

SIZES = (1_000, 10_000, 100_000)
GIVEN = Assumptions()


def figures(stage: str = "", time: float = 1.0, memory: float = 1.0, **notes: float) -> Figures:
    """Every stage takes 2 s and 700 MB, and 1 ms and 5 kB for each product; ``stage`` grows with other exponents."""
    prices = Prices(
        pictures=9, reading=0.02, reading_cores=0.02, embedding=0.04, embedding_cores=0.08, stored_bytes=2e4,
        embedding_mb=80,
    )  # fmt: skip
    made = Figures(machine="a machine", model="a model", prices=prices)
    for items in SIZES:
        made.sizes[items] = {name: _spent(items, 1, 1) for name in STAGES}
        if stage:
            made.sizes[items][stage] = _spent(items, time, memory)
        made.sizes[items]["index"].notes |= {"index_bytes": 1040.0 * items} | notes
        made.sizes[items]["publish"].notes |= {
            f"{name}_bytes": 2100.0 * items for name in ("catalogs", "embeddings", "indexes", "sources")
        }
        made.sizes[items]["replica"].notes |= {"held_mb": 900 + items / 2000, "search_ms": 1.0, "answer_ms": 9.0}
        made.sizes[items]["night"].notes |= {"embedded": 0.006 * items, "changed": 0.01 * items}
    return made


def _spent(items: int, time: float, memory: float) -> Spent:
    grown = 50 * (items / 1e4) ** memory
    return Spent(seconds=1, cores=2 + 100 * (items / 1e5) ** time, peak_mb=700 + grown, before_mb=650)


def test_growth_sees_through_what_is_fixed() -> None:
    assert growth({n: 5 + 0.01 * n for n in SIZES}, least=0.01) == pytest.approx(1)
    assert growth({n: 5 + 1e-6 * n**1.5 for n in SIZES}, least=0.001) == pytest.approx(1.5, abs=0.06)
    assert growth({n: 5 + 1e-9 * n for n in SIZES}, least=1) == 0, "what is too little to matter does not grow"
    assert growth({n: float(n) for n in SIZES[:2]}, least=1) is None


def test_what_is_extended_passes_through_what_was_measured() -> None:
    points = {n: 5 + 0.01 * n for n in SIZES}
    for exponent in (1.0, 1.5):
        assert [extended(points, exponent)(n) for n in (SIZES[0], SIZES[-1])] == [points[1_000], points[100_000]]
    assert extended(points)(10_000_000) == pytest.approx(100_005)
    assert each(points) == pytest.approx(0.01)
    assert extended({1000: 7.0})(3000) == 21.0 and each({1000: 7.0}) == 0.007
    assert last_that_fits(extended(points), 105) == pytest.approx(10_000)


def test_the_bars_hold_where_growth_is_linear_and_tell_each_that_is_missed() -> None:
    assert all(bars(figures()).values()) and len(bars(figures())) == 2 * len(STAGES) + 2
    for stage in STAGES:
        slow, fat = bars(figures(stage, time=1.8)), bars(figures(stage, memory=1.8))
        assert [name.split(" grows")[0] for name, met in slow.items() if not met] == [f"time of {stage}"]
        assert f"memory of {stage}" in [name.split(" grows")[0] for name, met in fat.items() if not met]
    (missed,) = [name for name, met in bars(figures(index_bytes=2.1e8)).items() if not met]
    assert "a vector takes" in missed
    heavy = figures()
    heavy.sizes[100_000]["index"] = _spent(100_000, 1, 1).model_copy(update={"peak_mb": 2700})
    heavy.sizes[100_000]["index"].notes |= {"index_bytes": 1e8}
    assert [name for name, met in bars(heavy).items() if not met and "an index of 1,000,000" in name]


def test_ten_times_the_products_cost_ten_times_as_much_but_for_the_index() -> None:
    small, large = (estimate(figures(), items, GIVEN) for items in (10_000_000, 100_000_000))
    assert small.gpu_hours == pytest.approx(1e7 / 6000 / 3600)
    assert small.embedding_hours == pytest.approx(1e7 * 0.08 / 3600)
    assert large.reading_hours == pytest.approx(10 * small.reading_hours)
    assert large.catalog_hours == pytest.approx(10 * small.catalog_hours, rel=0.01)
    assert large.index_hours == pytest.approx(10**1.5 * small.index_hours, rel=0.02)
    assert small.night_hours >= small.index_hours, "a night builds the index in full"
    assert small.index_gb["ivf_fp16"] == index_bytes(10_000_000, "ivf_fp16") / 1e9 == pytest.approx(10.35, abs=0.05)
    assert small.replica_gb == pytest.approx(small.index_gb["ivf_fp16"] + 0.9 + 5, rel=0.01)
    dear = estimate(figures(), 10_000_000, Assumptions(gpu_hour=4))
    assert dear.first_dollars - small.first_dollars == pytest.approx(small.gpu_hours)


def test_the_document_has_a_place_for_every_computed_part() -> None:
    parts = report(figures(), GIVEN)
    document = Path("docs/scale.md").read_text()
    filled = fill(document, parts)
    assert all(text in filled for text in parts.values())
    assert fill(filled, parts) == filled, "the marks stay"
    with pytest.raises(SystemExit, match="no place"):
        fill("nothing", parts)


def test_the_plot_names_every_stage() -> None:
    plot = draw({stage: figures().of(stage) for stage in STAGES}).decode()
    assert all(f">{stage}<" in plot for stage in STAGES)
