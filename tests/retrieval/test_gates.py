import numpy as np
import pytest

from tasks.retrieval.config import GateConfig
from tasks.retrieval.gates import baseline_gate, count_gates, expected_gate, index_gates, live_recall_gate, overlap_gate
from tasks.retrieval.golden import GoldenQuery, parse_golden_queries
from tasks.retrieval.self_test import SelfTestResult
from tasks.schema.errors import ConfigError

CONFIG = GateConfig()


def ids(count: int, start: int = 0) -> list[str]:
    return [f"item-{number}" for number in range(start, start + count)]


@pytest.mark.parametrize(
    ("live", "new", "taken_down", "verdicts"),
    [
        (ids(1000), ids(1000), (), (True, True)),
        (ids(1000), ids(1050), (), (True, True)),
        (ids(1000), ids(1051), (), (False, True)),
        (ids(1000), ids(949), (), (False, False)),
        (ids(1000), ids(1000, start=60), (), (True, False)),  # as many as before, but others
        (ids(1000), ids(900), ids(100, start=900), (True, True)),  # recalled, then dropped by the shop
        (ids(20), ids(15), (), (True, True)),  # five of twenty: a small shop moves in leaps
        (ids(20), ids(14), (), (False, False)),
    ],
)
def test_catalogue_may_only_change_so_much(live, new, taken_down, verdicts) -> None:
    items, deletes = count_gates(live, new, taken_down, CONFIG)
    assert (items.name, deletes.name) == ("items", "deletes")
    assert (items.passed, deletes.passed) == verdicts


def test_half_an_export_is_told_in_words() -> None:
    items, deletes = count_gates(ids(449), ids(231), (), CONFIG)
    assert items.value == pytest.approx(-218 / 449)
    assert "lists 231 products, 449 are live: if its export was cut short" in str(items)
    assert deletes.detail == "218 of 449 live products are not listed any more"
    more, _ = count_gates(ids(449), ids(900), (), CONFIG)
    assert "sent twice" in more.detail
    _, renamed = count_gates(ids(449), ids(449, start=300), (), CONFIG)
    assert "new ids" in renamed.detail


def test_recall_beside_the_live_release_is_judged_in_pairs() -> None:
    live = np.arange(200) % 4 > 0  # 0.75
    worse = live.copy()
    worse[np.flatnonzero(live)[:12]] = False
    assert live_recall_gate(live, live).passed
    refused = live_recall_gate(live, worse)
    assert not refused.passed
    assert refused.value is not None
    assert refused.value < 0
    assert "0.750 live" in refused.detail
    noisy = worse.copy()
    noisy[np.flatnonzero(~live)[:9]] = True  # twelve lost and nine won: chance does that
    assert live_recall_gate(live, noisy).passed
    assert live_recall_gate(worse, live).passed, "better is no reason to refuse"
    few = live_recall_gate(live[:8], np.zeros(8, bool))
    assert few.passed
    assert few.value is None
    assert "8 products" in few.detail


def test_overlap_counts_only_where_the_model_is_the_same() -> None:
    assert overlap_gate(np.full(10, 0.85), True, CONFIG).passed
    assert not overlap_gate(np.full(10, 0.84), True, CONFIG).passed
    other = overlap_gate(np.full(10, 0.1), False, CONFIG)
    assert other.passed
    assert other.value == pytest.approx(0.1)
    assert "another model" in other.limit
    assert overlap_gate(np.zeros(0), True, CONFIG).passed


def test_expected_products() -> None:
    refused = expected_gate(["blue mug -> m1"], asked=4, unknown=2)
    assert not refused.passed
    assert refused.value == 0.75
    assert "blue mug -> m1" in refused.detail
    assert "expected products not in the catalogue, left out: 2" in refused.detail
    nothing_left = expected_gate([], asked=0, unknown=2)
    assert nothing_left.passed
    assert nothing_left.value is None


def test_baseline() -> None:
    assert baseline_gate({"high": 0.0}).passed
    assert not baseline_gate({"high": -0.01}).passed


SUMMARY = {"items": 12, "recall": 0.99}
PARAMETERS = {"recall_at": 10, "recall_target": 0.98}


@pytest.mark.parametrize(
    ("found", "summary", "refused"),
    [
        (SelfTestResult(rows=12, items=12, own_row=1, text_recall=0.97), SUMMARY, set()),
        (SelfTestResult(rows=11, items=12), SUMMARY, {"rows", "self_test"}),
        (SelfTestResult(rows=11, items=11, own_row=1, text_recall=1), SUMMARY, {"rows"}),
        (SelfTestResult(rows=12, items=12, own_row=0.97, text_recall=1), SUMMARY, {"self_test"}),
        (SelfTestResult(rows=12, items=12, own_row=1, text_recall=0.9), SUMMARY, {"self_test"}),
        (SelfTestResult(fault="the process died: Segmentation fault"), SUMMARY, {"rows", "self_test"}),
        (SelfTestResult(rows=12, items=12, own_row=1, text_recall=1), {**SUMMARY, "recall": 0.97}, {"recall@10_text"}),
    ],
)
def test_index(found: SelfTestResult, summary: dict, refused: set[str]) -> None:
    gates = index_gates(found, summary, PARAMETERS)
    assert {gate.name for gate in gates if not gate.passed} == refused
    assert all(found.fault in str(gate) for gate in gates if gate.name == "self_test")


def test_golden_file() -> None:
    text = "\ufeff# what sells\nblue mug\tm1\tm2\n\n  red chair  \nstühle\t s1\n"
    assert parse_golden_queries(text.encode(), "golden.txt") == (
        GoldenQuery(text="blue mug", expected=("m1", "m2")),
        GoldenQuery(text="red chair"),
        GoldenQuery(text="stühle", expected=("s1",)),
    )


def test_golden_file_with_bad_lines_is_refused_all_at_once() -> None:
    many = "many" + "".join(f"\ti{number}" for number in range(11))
    lines = ["ok", "\tm1", "x" * 301, "mug\t", "ok", "chair\tc\tc", "bad\x00one", many]
    with pytest.raises(ConfigError) as refused:
        parse_golden_queries("\n".join(lines).encode(), "golden.txt")
    assert [f"line {number}:" in str(refused.value) for number in range(1, 9)] == [False] + [True] * 7
    for data, fault in ((b"", "no query"), (b"# only\n", "no query"), (b"caf\xe9", "not UTF-8")):
        with pytest.raises(ConfigError, match=fault):
            parse_golden_queries(data, "golden.txt")
    with pytest.raises(ConfigError, match="1001 queries"):
        parse_golden_queries("\n".join(f"query {number}" for number in range(1001)).encode(), "golden.txt")


def test_few_distinct_queries_tell_no_loss_from_chance() -> None:
    few = baseline_gate({"high": -0.02, "n": 1000, "distinct": 18})
    assert few.passed
    assert few.value is None
    assert "18 distinct queries, too few" in few.detail
    assert not baseline_gate({"high": -0.02, "n": 1000, "distinct": 200}).passed
    clusters = np.arange(200) % 18
    lost = np.arange(200) % 18 > 0
    same = live_recall_gate(np.ones(200, bool), lost, clusters)
    assert same.value is None
    assert "18 distinct titles or designs, of 200 products" in same.detail


def test_equal_titles_lose_together() -> None:
    clusters = np.repeat(np.arange(25), 40)
    live, new = np.ones(1000, bool), clusters > 0  # one of 25 titles is not found any more: 40 rows
    assert not live_recall_gate(live, new).passed
    judged = live_recall_gate(live, new, clusters)
    assert judged.passed
    assert "1000 titles of the test split, 25 of them distinct" in judged.detail
    assert not live_recall_gate(live, clusters > 12, clusters).passed, "half of the titles is no chance"
