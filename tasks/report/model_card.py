"""The model card of a release: README.md of a model repository, as the Hugging Face hub reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.report.comparison import Metrics
from tasks.report.numbers import count, metric_names
from tasks.report.tables import escape, metrics_table, table
from tasks.schema.evaluation import SINGLE_POSITIVE
from tasks.schema.release import Gate

_ENVIRONMENT = Environment(  # markdown: what is not a number is escaped by the filter `escape`
    loader=PackageLoader("tasks.report"),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["count"] = count
_TAGS = ["open_clip", "clip", "product-search", "image-text-retrieval"]


@dataclass(frozen=True)
class CardFacts:
    """What a card tells: counts and figures of the product's own, never the shop's texts, names or images.

    model: the stored card (name, spec, parameters, embed_dim, image_size, context_length, random_weights). base: hub
    id of the weights it started from. training: {"items", "batch_size", "steps", "best_step"} and "groups" where known,
    empty where nothing was trained. metrics, baseline, differences: as `metrics_table` takes them.
    """

    release: str
    license: str
    model: Mapping[str, Any]
    base: str | None
    training: Mapping[str, Any]
    metrics: Sequence[Metrics] = ()
    baseline: Sequence[Metrics] = ()
    differences: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gates: Sequence[Gate] = ()
    notes: Sequence[str] = ()

    @property
    def from_scratch(self) -> bool:
        """Whether it started from random weights, and so knows nothing but the catalogue."""
        return self.model.get("spec") == "small"


def render_model_card(facts: CardFacts) -> str:
    """The card as markdown with its YAML front matter."""
    figures = metrics_table(facts.metrics, facts.baseline, facts.differences, intervals=True) if facts.metrics else ""
    context = {
        "front_matter": _front_matter(facts),
        "facts": facts,
        "name": escape(facts.model.get("name", "model")),
        "figures": figures,
        "gates": table(["Check", "Measured", "Limit", "Verdict"], map(_gate_row, facts.gates)) if facts.gates else "",
        "notes": [escape(note) for note in facts.notes],
    }
    return _ENVIRONMENT.get_template("model_card.md.j2").render(context)


def _front_matter(facts: CardFacts) -> str:
    name = str(facts.model.get("name", "model"))
    more: dict[str, Any] = {"base_model_relation": "finetune"} if facts.base and facts.training else {}
    data = ModelCardData(
        license=facts.license,
        library_name="open_clip",
        tags=_TAGS,
        pipeline_tag="zero-shot-image-classification",
        base_model=facts.base,
        model_name=f"{name}, release {facts.release}" if facts.metrics else None,
        eval_results=_results(facts.metrics[-1]) if facts.metrics else None,
        **more,
    )
    return data.to_yaml()  # type: ignore[no-any-return]


def _results(metrics: Metrics) -> list[EvalResult]:
    """Text to image on the last split measured (test, by default): what the hub shows beside the model."""
    cells = metrics["text_to_image"][SINGLE_POSITIVE]
    return [
        EvalResult(
            task_type="image-text-retrieval",
            task_name="Text to image, one right answer",
            dataset_type="private",
            dataset_name=f"products held out of training ({metrics['n']})",
            dataset_split=metrics["split"],
            metric_type=name,
            metric_value=round(cells[name]["value"], 4),
        )
        for name in metric_names(cells)
    ]


def _gate_row(gate: Gate) -> list[str]:
    """Without the gate's detail, which may name products."""
    measured = "not measured" if gate.value is None else f"{gate.value:.4g}"
    return [escape(gate.name), measured, escape(gate.limit), gate.verdict]
