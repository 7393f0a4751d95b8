"""Figures, tables and the evaluation report: right figures, equal bytes, no markup from the shop, no request."""

import base64
import io
import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tasks.report import classes, figures
from tasks.report.comparison import comparison, query_types
from tasks.report.evaluation_report import render_report
from tasks.report.gallery import choose_examples, thumbnail
from tasks.report.numbers import p_words, signed, stars
from tasks.report.style import data_uri
from tasks.report.tables import metrics_table, release_table
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Gate, Release

HOSTILE = '</svg><script>alert(1)</script> "quoted" $5 & up \\frac {{7*7}} 日本語 | pipe'


def cell(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.03, "high": value + 0.03}


def metrics(split: str = "test", shift: float = 0.0, **more: Any) -> dict[str, Any]:
    block = {"recall@1": 0.5, "recall@5": 0.7, "recall@10": 0.8, "mrr": 0.6, "ndcg@10": 0.65}
    cells = {name: cell(value + shift) for name, value in block.items()}
    directions = {d: {"single_positive": cells, "multi_positive": cells} for d in ("text_to_image", "image_to_text")}
    queries = {"title": {"n": 40, "hit@1": cell(0.5 + shift), "mrr": cell(0.6)}, "type": {"n": 9, "hit@1": cell(0.4)}}
    return {
        "split": split,
        "n": 1040,
        "model_name": "ViT-B-32",
        "untrained": False,
        **directions,
        "queries": queries,
        **more,
    }


def difference(p: float = 0.0004) -> dict[str, Any]:
    names = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
    keys = [
        f"{d}/{s}/{m}"
        for d in ("text_to_image", "image_to_text")
        for s in ("single_positive", "multi_positive")
        for m in names
    ]
    return {key: {"difference": 0.1, "low": 0.06, "high": 0.14, "p_value": p} for key in keys}


def jpeg(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), color).save(buffer, "JPEG")
    return buffer.getvalue()


def drawn() -> dict[str, bytes]:
    labels = [HOSTILE, *(f"class {i}" for i in range(39))]
    table = [{"label": label, "f1": 0.5, "n_test": 9, "bucket": "head"} for label in labels]
    log = {
        "points": [{"step": s, "loss": 3 / s} for s in range(1, 50)],
        "evaluations": [{"step": s, "text_to_image_recall@1": s / 60} for s in (10, 20, 49)],
        "best_step": 20,
    }
    return {
        "labels": figures.label_distribution({label: 40 - i for i, label in enumerate(labels)}),
        "recall": figures.recall_comparison(metrics(), metrics(shift=0.1)),
        "training": figures.training_curves(log),
        "confusion": classes.confusion_matrix(np.eye(40) * 5 + 1, labels),
        "top": classes.top_confusions([{"truth": HOSTILE, "predicted": "b", "n": 3, "share_of_truth": 0.3}]),
        "f1": classes.per_class_f1(table),
    }


def words(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_equal_data_gives_equal_bytes() -> None:
    assert drawn() == drawn()


def test_every_figure_is_well_formed_and_carries_no_markup_of_the_shop() -> None:
    for name, svg in drawn().items():
        root = ElementTree.fromstring(svg)  # raises on a broken document
        assert not list(root.iter("{http://www.w3.org/2000/svg}script")), name
        assert b"<!--" not in svg and b"<script" not in svg, name
        for link in re.findall(rb'href="([^"]*)"', svg):
            assert link.startswith((b"#", b"data:image/png;")), (name, link[:80])


def test_labels_are_shown_as_the_shop_wrote_them() -> None:
    assert any("$5 & up" in line for line in words(figures.label_distribution({"$5 & up": 3})))
    assert any("日本語" in line for line in words(figures.label_distribution({"日本語": 3})))


def test_what_does_not_fit_is_counted() -> None:
    shown = words(figures.label_distribution({f"c{i:02}": 10 for i in range(50)}, top=30))
    assert "20 more" in shown and "200" in shown and any("500 in 50" in line for line in shown)


def test_confusions_beyond_the_cap_are_summed_not_lost() -> None:
    counts = np.full((30, 30), 1.0) + np.diag(np.arange(30, 0, -1))
    folded, names = classes._fold(counts, [f"c{i}" for i in range(30)], top=25)
    assert folded.shape == (26, 26) and folded.sum() == counts.sum() and names[-1] == "other (5)"
    assert folded[25, 25] == counts[25:, 25:].sum() and folded[0, 25] == counts[0, 25:].sum()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.label_distribution({}),
        lambda: figures.recall_comparison({}),
        lambda: figures.training_curves({}),
        lambda: classes.confusion_matrix(np.zeros((2, 2)), ["a", "b"]),
        lambda: classes.top_confusions([]),
        lambda: classes.per_class_f1([{"label": "a", "f1": None, "n_test": 0}]),
    ],
)
def test_nothing_to_draw_is_said_in_words(draw: Any) -> None:
    assert any(len(line) > 10 for line in words(draw()))


def test_the_comparison_keeps_the_original_tables_order_and_signs() -> None:
    names, lines = comparison(metrics(), metrics(shift=-0.1), difference(p=0.3))
    assert names == ["recall@1", "recall@5", "recall@10", "mrr", "ndcg@10"]
    assert [(line.direction, line.kind) for line in lines] == [
        (direction, kind)
        for direction in ("Text → Image", "Image → Text")
        for kind in ("baseline", "model", "difference")
    ]
    assert lines[2].cells[0].text == "+0.1000" and lines[2].cells[0].mark == "n.s."
    _, worse = comparison(metrics(), metrics(shift=0.1))
    assert worse[2].cells[0].text == "−0.1000" and worse[2].cells[0].mark == "", "untested: no verdict"


def test_significance_words() -> None:
    assert [stars(p) for p in (0.0001, 0.005, 0.03, 0.05, float("nan"))] == ["***", "**", "*", "n.s.", ""]
    assert (p_words(0.0001), p_words(0.03), p_words(0.4)) == ("p < 0.001", "p = 0.030", "p = 0.40")
    assert signed(-0.0123) == "−0.0123" and signed(float("nan")) == "–"


def report(**changes: Any) -> str:
    example = {
        "query": HOSTILE,
        "rank": 3,
        "answer": {"title": HOSTILE, "image": jpeg()},
        "hits": [
            {"title": HOSTILE, "image": jpeg("blue"), "correct": False},
            {"title": "right", "image": b"torn", "correct": True},
        ],
    }
    arguments: dict[str, Any] = {
        "model": [metrics("val"), metrics("test")],
        "baseline": [metrics("val", -0.1), metrics("test", -0.1)],
        "differences": {"val": difference(), "test": difference()},
        "facts": {"catalogue": HOSTILE},
        "gallery": [example, {**example, "rank": 1}],
    }
    return render_report(**(arguments | changes))


def test_the_report_asks_nobody_for_anything_and_escapes_everything() -> None:
    html = report(title=HOSTILE)
    assert "<script" not in html and "&lt;script&gt;" in html
    for source in re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')>\s]+)', html):
        assert source.startswith("data:image/"), source[:80]
    assert "default-src 'none'" in html and "{{7*7}}" in html


def test_figures_inside_the_report_hold_no_links_either() -> None:
    for encoded in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", report()):
        svg = base64.b64decode(encoded)
        assert b"<script" not in svg and not re.findall(rb'href="http', svg)


def test_a_pair_shows_figures_intervals_and_the_paired_test() -> None:
    html = report()
    assert "0.5000" in html and "0.4000" in html and "0.470 – 0.530" in html
    assert "+0.1000" in html and "p &lt; 0.001" in html and "***" in html
    assert "untrained" not in html
    assert html.index("rank 3") < html.index("found first"), "misses come first"


def test_an_untrained_baseline_is_no_triumph() -> None:
    html = report(baseline=[metrics("val", -0.4, untrained=True), metrics("test", -0.4, untrained=True)])
    assert "The baseline is untrained: random weights." in html and "(chance)" in html
    assert "Baseline (random weights, untrained)" in html and "Baseline (pretrained)" not in html
    assert 'class="up"' not in html, "better than chance is not drawn as a success"
    table = metrics_table([metrics()], [metrics(untrained=True)], {"test": difference()})
    assert "**The baseline is untrained**" in table


def test_one_model_alone_has_no_differences() -> None:
    html = report(baseline=[], differences=None, gallery=[])
    assert "Model (ViT-B-32)" in html and "Δ" not in html and "Fine-tuned" not in html
    untrained = report(model=[metrics(untrained=True)], baseline=[], differences=None, gallery=[])
    assert "This model is untrained" in untrained


def test_query_types_keep_their_order_from_longest_to_shortest() -> None:
    queries = {kind: {"n": 1, "hit@1": cell(0.5)} for kind in sorted(("title", "attributes", "type", "own kind"))}
    rows = query_types(metrics(queries=queries))
    assert [row["kind"] for row in rows] == ["title", "attributes", "type", "own kind"]


def test_an_evaluation_without_query_types_or_training_still_renders() -> None:
    bare = {name: value for name, value in metrics().items() if name != "queries"}
    html = render_report([bare])
    assert "By type of query" not in html and "Training</h2>" not in html
    assert "Training</h2>" in render_report([bare], training={"points": [{"step": 1, "loss": 2.0}]})


def test_examples_are_misses_from_near_to_far_then_hits() -> None:
    ranks = np.array([1, 5, 2, 1, 900, 1, 30])
    top = np.tile(np.arange(10), (7, 1))
    chosen = choose_examples(ranks, top, misses=3, hits=2)
    assert [example["rank"] for example in chosen] == [2, 30, 900, 1, 1]
    assert all(example["shown"] == [0, 1, 2, 3, 4] for example in chosen)
    assert choose_examples(np.array([1]), np.array([[0, -1, -1]])) == [{"row": 0, "rank": 1, "shown": [0]}]


def test_thumbnails_are_small_and_a_torn_image_is_left_out() -> None:
    small = Image.open(io.BytesIO(base64.b64decode(thumbnail(jpeg()).split(",")[1])))
    assert small.format == "JPEG" and max(small.size) == 144
    assert thumbnail(jpeg()[:100]) == ""
    assert data_uri(b"x", "image/png") == "data:image/png;base64,eA=="


def test_a_release_is_a_table_whatever_the_shop_writes() -> None:
    gate = Gate(
        name="rows", value=12, limit="= 13 items", passed=False, detail=f"one is missing {HOSTILE}|`\n[x](http://evil)"
    )
    ref = ArtifactRef(kind="model", id="abc")
    release = Release(
        id="one", created_at=datetime.now(UTC), catalog=ref, model=ref, index=ref, items=12000, why="nightly",
        quality={"recall@10": 0.95}, gates=(gate,),
    )  # fmt: skip
    page = release_table(release)
    assert "12\u202f000 products" in page and "`models/abc`" in page and "0.9500" in page
    assert "**refused**" in page and "one is missing" in page and "classifier" not in page
    lines = page.split("\n\n")[-1].splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<script" not in page and "](http" not in page
