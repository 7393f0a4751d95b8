"""What can go wrong, by what the caller should do about it.

    ProductSearchError
    |-- TerminalError              doing it again cannot help: change something first
    |   |-- ConfigError            parameters contradict each other or the data
    |   |-- CatalogError           the source cannot be read as a catalogue, or too much of it was refused
    |   |-- SourceMissing          a file the catalogue names is not there
    |   |-- SourceRefused          a file lies outside the root, or is larger than the limit
    |   |-- ModelUnavailable       weights cannot be had or do not fit the model
    |   |-- ArtifactMissing        no manifest at that kind and id
    |   |-- ArtifactCorrupt        bytes do not match the manifest
    |   |-- GateRefused            a quality gate said no; the live release stays
    |   `-- PublishConflict        somebody else published first
    `-- TransientError             the same call may succeed later: retry with back-off
        |-- StoreUnavailable       object storage did not answer, or answered 5xx / throttled
        |-- BeingCollected         garbage collection is deleting just that, at this moment
        `-- SourceUnavailable      the shop's server did not answer, or answered 429 / 5xx

A message says what was found, what was expected, and the next action.
"""


class ProductSearchError(Exception):
    """Root of every error this product raises on purpose."""


class TerminalError(ProductSearchError):
    """Doing the same again cannot help."""


class TransientError(ProductSearchError):
    """The same call may succeed later."""


class ConfigError(TerminalError):
    """Raised when parameters contradict each other or the data. The message lists every fault found."""


class CatalogError(TerminalError):
    """Raised when a source cannot be read as a catalogue, or more of it was refused than allowed."""


class SourceMissing(TerminalError):
    """Raised when a file the catalogue names is not there."""


class SourceRefused(TerminalError):
    """Raised when a file lies outside the source's root, or is larger than the limit."""


class ModelUnavailable(TerminalError):
    """Raised when weights cannot be had, or do not fit the model they are loaded into."""


class ArtifactMissing(TerminalError):
    """Raised when no manifest exists at a kind and id."""


class ArtifactCorrupt(TerminalError):
    """Raised when stored bytes do not match their manifest."""


class GateRefused(TerminalError):
    """Raised when a quality gate refuses a release. The live release stays as it was."""


class PublishConflict(TerminalError):
    """Raised when another publisher moved the live pointer first."""


class StoreUnavailable(TransientError):
    """Raised when object storage did not answer, answered 5xx, or throttled."""


class BeingCollected(TransientError):
    """Raised when what is asked for is being deleted by garbage collection. It is over in a moment."""


class SourceUnavailable(TransientError):
    """Raised when the shop's own server did not answer, answered 429, or 5xx."""
