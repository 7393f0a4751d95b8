"""What goes live: a release names encoder, index, items and classifier together; a channel points at one release."""

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.schema.manifest import ArtifactRef, canonical_json

RELEASE_ID = r"^[a-z0-9][a-z0-9._-]{0,79}$"
CHANNEL = r"^[a-z0-9][a-z0-9-]{0,39}$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Gate(_Record):
    """One check a release had to pass: the measured value, the limit, and the verdict."""

    name: str
    value: float | None = Field(description="None where there was nothing to measure: `detail` says why")
    limit: str = Field(description="The bound in words a person reads, e.g. '>= 0.97'")
    passed: bool
    detail: str = Field(default="", description="What was found, in words, where the value alone does not say it")
    # left out while false: ids of releases are hashes of their verdicts, and those of before knew no warnings
    warning: bool = Field(
        default=False, exclude_if=lambda warns: not warns, description="Told, but no reason to withhold the release"
    )

    @property
    def refuses(self) -> bool:
        """Whether the release may not go live for it."""
        return not self.passed and not self.warning

    @property
    def verdict(self) -> str:
        """In one word: passed, warning or refused."""
        return "passed" if self.passed else "warning" if self.warning else "refused"

    def __str__(self) -> str:
        found = f"{self.name} is {'not measured' if self.value is None else f'{self.value:.4g}'}, expected {self.limit}"
        return f"{found} ({self.detail})" if self.detail else found


class GateReport(_Record):
    """Every gate of a release about to be made, and the live release that it was compared with."""

    parent: str | None = Field(default=None, description="Release that was live; None where nothing was")
    gates: tuple[Gate, ...] = ()


class _Served(_Record):
    """The artifacts that are served together, and how they came about."""

    catalog: ArtifactRef
    model: ArtifactRef
    index: ArtifactRef
    # left out while there is none, as in releases of before, whose ids are hashes of their parts
    lexical: ArtifactRef | None = Field(
        default=None, exclude_if=lambda ref: ref is None, description="Word index of the same items, row by row"
    )
    classifier: ArtifactRef | None = None
    removals: ArtifactRef | None = Field(default=None, description="Products taken down by hand: never shown")
    plan: ArtifactRef | None = Field(default=None, description="What changed since the release it was made after")

    @property
    def served(self) -> dict[str, ArtifactRef | None]:
        """Role -> artifact, of those that are served together."""
        return {name: getattr(self, name) for name in _Served.model_fields}


class Release(_Served):
    """Everything that is served together. Immutable: `releases/<id>.json` is written once."""

    schema_version: Literal[1, 2] = 2
    id: str = Field(pattern=RELEASE_ID)
    created_at: datetime
    evaluations: dict[str, ArtifactRef] = Field(default_factory=dict, description="e.g. baseline, finetuned")
    quality: dict[str, float] = Field(default_factory=dict, description="Headline figures, name -> value")
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="What was left out or not measured, and why")
    items: int = Field(ge=0, description="Products that can be searched")
    parent: str | None = Field(default=None, description="Release that was live when this one was made")
    why: str = Field(default="", description="Who or what made it, in words")
    run: str | None = Field(default=None, description="Prefect flow run that made it")
    extra: dict[str, Any] = Field(default_factory=dict)

    @property
    def parts(self) -> "ReleaseParts":
        """The artifacts it is made of."""
        return ReleaseParts(**self.served, evaluation=self.evaluations.get("report"))

    @property
    def refs(self) -> tuple[ArtifactRef, ...]:
        """Every artifact it names: what must stay in the store as long as it does."""
        named = [value for _, value in self if isinstance(value, ArtifactRef)]
        return (*named, *self.evaluations.values())


class LivePointer(_Record):
    """The only object that is ever overwritten: which release a channel serves."""

    schema_version: Literal[1, 2] = 2
    channel: str = Field(pattern=CHANNEL)
    release: str = Field(pattern=RELEASE_ID)
    generation: int = Field(ge=1, description="Only rises, also on a roll-back")
    previous: str | None = Field(default=None, description="Where a roll-back goes: live before, removals apart")
    removals: ArtifactRef | None = Field(default=None, description="In force here: every later release has it")
    published_at: datetime
    reason: str = Field(default="", description="publish, promote, rollback, and who asked")
    run: str | None = Field(default=None, description="Tells an ambiguous write apart: mine or somebody else's")


class Pin(_Record):
    """Somebody's wish to keep a release: garbage collection leaves it and all it is made of."""

    schema_version: Literal[1] = 1
    release: str = Field(pattern=RELEASE_ID)
    reason: str = ""
    pinned_at: datetime | None = None
    run: str | None = None


class ReleaseParts(_Served):
    """The artifacts a release is made of, before it is one."""

    evaluation: ArtifactRef | None = Field(default=None, description="Report that measured this very model")

    def release_id(self, report: GateReport) -> str:
        """Id of the release of these parts with these verdicts (16 hex digits).

        Verdicts count: parts refused beside one live release may pass beside the next, and both records stay true.
        """
        made_of = [record.model_dump(mode="json") for record in (self, report)]
        return hashlib.sha256(canonical_json(made_of).encode()).hexdigest()[:16]

    def without_removals(self) -> "ReleaseParts":
        """The same parts with nothing taken down: equal for two releases that differ by removals alone."""
        return self.model_copy(update={"removals": None})
