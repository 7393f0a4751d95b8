import subprocess
import sys

import pytest
from pydantic import ValidationError

from tasks.clip.config import CaptionShares, FinetuneConfig, Recipe
from tasks.schema.errors import ConfigError

LARGE, SMALL = 150_000_000, 3_600_000


def test_blank_fields_take_the_recipe_that_fits_the_model() -> None:
    large, small = FinetuneConfig().resolve(LARGE), FinetuneConfig().resolve(SMALL)
    assert (large.recipe, large.learning_rate, large.batch_size, large.epochs, large.steps) == (
        "vit-b-32",
        1e-5,
        512,
        10,
        None,
    )
    assert (small.recipe, small.batch_size, small.epochs) == ("small", 128, None)
    assert small.steps is not None
    assert small.learning_rate > 1e-3
    for recipe in (large, small):
        blanks = {name for name, value in recipe if value is None}
        assert blanks <= {"epochs", "steps", "image_size"}


def test_what_a_person_sets_wins_over_the_recipe() -> None:
    recipe = FinetuneConfig(learning_rate=3e-6, label_smoothing=0.0, patience=0).resolve(SMALL)
    assert (recipe.learning_rate, recipe.label_smoothing, recipe.patience) == (3e-6, 0.0, 0)
    assert FinetuneConfig.small(epochs=3).resolve(LARGE).steps is None
    assert FinetuneConfig(steps=50).resolve(LARGE).epochs is None


def test_a_resolved_recipe_resolves_to_itself() -> None:
    recipe = FinetuneConfig.small(steps=70).resolve(SMALL)
    assert isinstance(recipe, Recipe)
    assert recipe.resolve(LARGE) == recipe


def test_contradictions_are_refused_together() -> None:
    with pytest.raises(ValidationError) as caught:
        FinetuneConfig(epochs=1, steps=5, batch_size=10, accumulate=3, evaluations=9)
    for words in ("epochs and steps", "3 equal pieces", "9 evaluations"):
        assert words in str(caught.value)


def test_a_contradiction_with_the_recipes_own_values_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="patience 20"):
        FinetuneConfig(patience=20).resolve(LARGE)
    with pytest.raises(ConfigError, match="1000 evaluations do not fit"):
        FinetuneConfig(evaluations=1000).resolve(SMALL)
    assert FinetuneConfig(steps=3).resolve(SMALL).evaluations == 3, "what is blank gives way"


def test_caption_shares_may_not_all_be_zero() -> None:
    with pytest.raises(ValidationError, match="every caption share is 0"):
        CaptionShares(title=0, title_without_brand=0, attributes=0, color_type=0, type=0, bullet=0)


def test_config_starts_without_torch() -> None:
    code = "import sys, tasks.clip.config; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
