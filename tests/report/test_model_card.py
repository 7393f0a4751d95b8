"""The model card: a hub reads its front matter, its figures have intervals, and nothing of the shop is in it."""

from typing import Any

import pytest
from huggingface_hub import ModelCard

from tasks.report.model_card import CardFacts, render_model_card
from tasks.report.numbers import count
from tasks.schema.release import Gate

SECRET = "Acme red mug, B0012345"
MODEL = {
    "name": "ViT-B-32/laion2b",
    "parameters": 151_277_313,
    "embed_dim": 512,
    "image_size": 224,
    "context_length": 77,
}
TRAINING = {"items": 20_737, "batch_size": 256, "steps": 800, "best_step": 600, "groups": 9_100}
GATES = (
    Gate(name="rows", value=20_737, limit="= 20737 products", passed=True),
    Gate(name="recall@10_text", value=0.9, limit=">= 0.98", passed=False, warning=True, detail=SECRET),
    Gate(name="live_release", value=None, limit="compared with the live release", passed=True, detail=SECRET),
)


def measured(split: str, shift: float, **more: Any) -> dict[str, Any]:
    block = {"recall@1": 0.5, "recall@5": 0.7, "recall@10": 0.8, "mrr": 0.6}
    cells = {
        name: {"value": value + shift, "low": value + shift - 0.031, "high": value + shift + 0.031}
        for name, value in block.items()
    }
    return {
        "split": split,
        "n": 1040,
        "untrained": False,
        "text_to_image": {"single_positive": cells},
        "image_to_text": {"single_positive": cells},
        **more,
    }


def card(**changes: Any) -> str:
    facts = {
        "release": "0123456789abcdef",
        "license": "unknown",
        "model": MODEL,
        "base": "laion/CLIP",
        "training": TRAINING,
    }
    return render_model_card(CardFacts(**facts | changes))


def test_a_hub_reads_its_front_matter_and_its_figures() -> None:
    text = card(
        license="apache-2.0", metrics=[measured("val", 0.1), measured("test", 0.2)], baseline=[measured("test", 0.0)]
    )
    data = ModelCard(text).data
    assert (data.license, data.library_name, data.base_model) == ("apache-2.0", "open_clip", "laion/CLIP")
    assert data.pipeline_tag == "zero-shot-image-classification" and "open_clip" in data.tags
    assert data["base_model_relation"] == "finetune"
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        "recall@1": 0.7, "recall@5": 0.9, "recall@10": 1.0, "mrr": 0.8,
    }  # fmt: skip
    assert {result.dataset_split for result in data.eval_results} == {"test"}
    assert "not stated" not in text and text.endswith("```\n")


def test_figures_have_their_interval_and_the_baseline_beside_them() -> None:
    differences = {
        "test": {"text_to_image/single_positive/mrr": {"difference": 0.2, "low": 0.1, "high": 0.3, "p_value": 0.0002}}
    }
    text = card(metrics=[measured("test", 0.2)], baseline=[measured("test", 0.0)], differences=differences)
    assert "0.8000 (0.769 – 0.831)" in text, "the model's MRR"
    assert "0.6000 (0.569 – 0.631)" in text, "the baseline's"
    assert r"+0.2000 (+0.100 – +0.300) \*\*\*" in text
    untrained = card(metrics=[measured("test", 0.2)], baseline=[measured("test", 0.0, untrained=True)])
    assert "The baseline is untrained" in untrained


def test_it_tells_counts_and_verdicts_and_nothing_of_the_shop() -> None:
    text = card(gates=GATES, notes=("no classifier: 1 class",))
    assert f"{count(20_737)} products" in text and "600, the best" in text and f"{count(9_100)} designs" in text
    assert (
        "| 0.9 | &gt;= 0.98 | warning |" in text
        and "| not measured | compared with the live release | passed |" in text
    )
    assert "- no classifier: 1 class" in text and "Not measured." in text and "licence is not stated" in text
    assert "Acme" not in text and "B0012345" not in text


@pytest.mark.parametrize(
    ("model", "base", "expected"),
    [
        ({"random_weights": True, "name": "small"}, None, "**Its weights are random**"),
        (MODEL, "laion/CLIP", "the pretrained ones of [laion/CLIP](https://huggingface.co/laion/CLIP), unchanged"),
        ({}, None, "the pretrained ones, unchanged"),
    ],
)
def test_weights_that_were_not_trained_here_are_called_so(
    model: dict[str, Any], base: str | None, expected: str
) -> None:
    text = card(model=model, base=base, training={})
    assert expected in text and "no step of training" in text and "base_model_relation" not in text
    assert ModelCard(text).data.base_model == base


def test_a_model_trained_from_random_weights_has_no_base_to_speak_of() -> None:
    text = card(model={**MODEL, "spec": "small", "random_weights": False}, base=None)
    assert "from random weights" in text and "base weights learned" not in text
    assert "base weights learned" in card()
