"""A release's figures as tables with bars."""

from app.page.cards import escape
from tasks.schema.release import Gate

#: What each figure tells, in the order a reader wants them. All lie between 0 and 1.
_TOLD = {
    "recall@1": "the right product comes first",
    "recall@5": "it is among the first 5",
    "recall@10": "it is among the first 10",
    "mrr": "mean of 1 / its place",
    "ndcg@10": "order of the first 10",
    "index_recall_text": "the index finds what exact search finds",
    "top1": "the classifier names the right category",
    "macro_f1": "the classifier, every category counted alike",
}


def quality(found: dict[str, float]) -> str:
    """Headline figures, those that are known first."""
    names = [*(name for name in _TOLD if name in found), *(name for name in sorted(found) if name not in _TOLD)]
    if not names:
        return '<section><h2>Quality</h2><p class="hint">This release was not measured.</p></section>'
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}<small>{escape(_TOLD.get(name, ""))}</small></th>'
        f"<td>{bar(found[name])}</td><td>{found[name]:.3f}</td></tr>"
        for name in names
    )
    hint = '<p class="hint">Measured on products held back from training: titles as queries, pictures as answers.</p>'
    return f'<section><h2>Quality</h2><table class="bars"><tbody>{rows}</tbody></table>{hint}</section>'


def gates(passed: tuple[Gate, ...]) -> str:
    """What the release had to prove before it could go live."""
    if not passed:
        return ""
    rows = "".join(_gate(gate) for gate in passed)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("", "Gate", "Found", "Expected"))
    table = f"<table class='stack'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<section class="wide"><h2>Gates</h2>{table}</section>'


def bar(share: float) -> str:
    """A bar from 0 to 1, for the eye alone: the number stands beside it."""
    return f'<i class="bar" aria-hidden="true"><b style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></b></i>'


def _gate(gate: Gate) -> str:
    verdict = '<span class="badge good">passed</span>' if gate.passed else '<span class="badge bad">failed</span>'
    found = "not measured" if gate.value is None else f"{gate.value:.4g}"
    detail = f"<small>{escape(gate.detail)}</small>" if gate.detail else ""
    name = escape(gate.name.replace("_", " "))
    return (
        f'<tr><td>{verdict}</td><th scope="row">{name}{detail}</th>'
        f'<td data-name="Found">{found}</td><td data-name="Expected">{escape(gate.limit)}</td></tr>'
    )
