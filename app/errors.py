"""What a request can do wrong, and what the app cannot do yet: each becomes a problem+json with its status."""


class AppError(Exception):
    """Root of what a caller reads. The message says what to change; ``status`` replaces that of the class."""

    status, title = 500, "Something went wrong"

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status


class BadRequest(AppError):
    """The request contradicts itself or the limits."""

    status, title = 400, "The request cannot be answered"


class BadImage(AppError):
    """The upload is no image the app takes; 413 where it is too large."""

    status, title = 422, "The picture cannot be used"


class UnknownItem(AppError):
    """The live release has no such product."""

    status, title = 404, "No such product"


class TakenDown(UnknownItem):
    """The product was taken down by hand."""

    title = "Taken down"


class NoReport(AppError):
    """The live release was published without an evaluation report."""

    status, title = 404, "No report of this release"


class NoClassifier(AppError):
    """The live release has no category classifier."""

    status, title = 409, "No classifier in this release"


class NoWordIndex(AppError):
    """The release has no word index."""

    status, title = 409, "No word index in this release"


class Busy(AppError):
    """The encoder or the decoders have more to do than they can."""

    status, title = 503, "Busy"


class NothingPublished(AppError):
    """No release has been loaded yet."""

    status, title = 503, "Nothing published yet"


class NoRoom(AppError):
    """There is no memory for a release to compare with: a newer one is being loaded."""

    status, title = 503, "Not now"
