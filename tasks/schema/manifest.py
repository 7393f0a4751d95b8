"""What an artifact is: its reference, its manifest, and how its id follows from what it is made of."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Kind = Literal["catalog", "model", "index", "lexical", "classifier", "evaluation", "checkpoint", "plan", "removals"]

#: Folder of each kind below the store's root.
FOLDERS: dict[str, str] = {
    "catalog": "catalogs",
    "model": "models",
    "index": "indexes",
    "lexical": "lexical",
    "classifier": "classifiers",
    "evaluation": "evaluations",
    "checkpoint": "checkpoints",
    "plan": "plans",
    "removals": "removals",
}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ArtifactRef(_Record):
    """Names one artifact. Small enough to be a Prefect parameter, a task result, or a line in a release."""

    kind: Kind
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")

    @property
    def folder(self) -> str:
        """Path of the artifact's folder, relative to the store's root."""
        return f"{FOLDERS[self.kind]}/{self.id}"

    def __str__(self) -> str:
        return self.folder


def _as_name(value: Any) -> Any:
    return str(value) if isinstance(value, ArtifactRef) else value


#: How a flow's parameter names an artifact: 'latest' or an id, typed by a person, or an ArtifactRef, given by another
#: flow, which becomes the folder of that artifact ("models/<id>"). Prefect's form and the command line show plain text.
ArtifactName = Annotated[str, BeforeValidator(_as_name)]


def as_ref(kind: Kind, name: str) -> ArtifactRef | None:
    """The reference that ``name`` is the folder of, None for 'latest' or an id."""
    folder, _, artifact = name.rpartition("/")
    return ArtifactRef(kind=kind, id=artifact) if folder == FOLDERS[kind] else None


class FileEntry(_Record):
    """One file of an artifact. ``size`` in bytes, ``rows`` where the file is a table."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int | None = None

    def matches(self, file: Path) -> bool:
        """Whether a local file has this size and, byte for byte, this sha256."""
        if not file.is_file() or file.stat().st_size != self.size:
            return False
        with file.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest() == self.sha256


class Manifest(_Record):
    """The record that makes a folder an artifact. Written last: no manifest, no artifact."""

    schema_version: Literal[1, 2] = 2
    kind: Kind
    id: str
    recipe: int = Field(description="Version of the code's recipe; raised when the same inputs would give other bytes")
    parents: dict[str, ArtifactRef] = Field(default_factory=dict, description="Role -> artifact this was made from")
    parameters: dict[str, Any] = Field(default_factory=dict)
    summary: dict[str, Any] = Field(default_factory=dict, description="Figures a reader wants without opening a file")
    code_version: str = "unknown"
    libraries: dict[str, str] = Field(default_factory=dict)
    created_at: datetime
    files: tuple[FileEntry, ...]

    @property
    def ref(self) -> ArtifactRef:
        """Reference to this artifact."""
        return ArtifactRef(kind=self.kind, id=self.id)

    def file(self, path: str) -> FileEntry:
        """Entry of the file at ``path`` (relative to the artifact's folder). Raises KeyError."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise KeyError(f"{self.ref} has no file {path!r}; it has {[entry.path for entry in self.files]}")


def canonical_json(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)


def artifact_id(kind: Kind, parents: dict[str, ArtifactRef], parameters: dict[str, Any], recipe: int) -> str:
    """Id of an artifact from what it is made of, so that the same work has the same id (16 hex digits)."""
    made_of = {
        "kind": kind,
        "parents": {role: str(ref) for role, ref in parents.items()},
        "parameters": parameters,
        "recipe": recipe,
    }
    return hashlib.sha256(canonical_json(made_of).encode()).hexdigest()[:16]
