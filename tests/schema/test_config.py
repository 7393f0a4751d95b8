"""Configs that hand their fields on, and names of artifacts as parameters."""

import pytest
from pydantic import Field, ValidationError

from tasks.schema.command import read_flags
from tasks.schema.config import Config
from tasks.schema.manifest import ArtifactName, ArtifactRef, as_ref


class Step(Config):
    """A step of a larger run."""

    model: ArtifactName = Field("latest", description="Id of a model in the store, or 'latest'")
    steps: int = Field(3, ge=1, description="How many")
    refresh: bool = Field(False, description="Again")


class Whole(Config):
    """The larger run."""

    model: int = 7
    steps: int = 5
    channel: str = "production"


def test_a_part_takes_the_fields_of_the_same_name_and_what_is_given() -> None:
    part = Whole().part(Step, model="abc")
    assert part == Step(model="abc", steps=5, refresh=False)
    with pytest.raises(ValidationError):
        Whole(steps=0).part(Step, model="abc")


def test_an_artifact_is_named_by_a_word_or_by_its_reference() -> None:
    ref = ArtifactRef(kind="model", id="abc")
    assert Step(model=ref).model == "models/abc" and Step(model="latest").model == "latest"
    assert as_ref("model", "models/abc") == ref
    assert as_ref("model", "abc") is None and as_ref("catalog", "models/abc") is None
    assert Step.model_json_schema()["properties"]["model"]["type"] == "string", "a line of text in Prefect's form"
    assert read_flags(Step, "step", ["--model", "abc"]).model == "abc"
