"""What a request can do wrong, and what the app cannot do yet: each becomes a problem+json with its status.

AppError
|-- BadRequest          400   the request contradicts itself or the limits
|-- BadImage          422   the upload is no image the app takes (413 where it is too large)
|-- UnknownItem         404   no such product in the live release
|   `-- TakenDown       404   it was taken down by hand
|-- NoReport            404   the live release was not evaluated
|-- NoClassifier        409   the live release has no category classifier
|-- Busy                503   more images at once than the decoders can take
|-- NothingPublished    503   no release has been loaded yet
`-- NoRoom              503   a release to compare with has to wait: a newer one is being loaded
"""


class AppError(Exception):
    """Root of what a caller is told. The message says what to change."""

    status = 500
    title = "Something went wrong"

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status


class BadRequest(AppError):
    """Raised when a request contradicts itself or the limits."""

    status = 400
    title = "The request cannot be answered"


class BadImage(AppError):
    """Raised when an upload is not an image the app takes."""

    status = 422
    title = "The picture cannot be used"


class UnknownItem(AppError):
    """Raised when the live release has no such product."""

    status = 404
    title = "No such product"


class TakenDown(UnknownItem):
    """Raised when a product was taken down by hand."""

    title = "Taken down"


class NoReport(AppError):
    """Raised when the report of a release is asked for that has none."""

    status = 404
    title = "No report of this release"


class NoClassifier(AppError):
    """Raised when a category is asked for and the live release has no classifier."""

    status = 409
    title = "No classifier in this release"


class Busy(AppError):
    """Raised when the app has more to do than it can."""

    status = 503
    title = "Busy"


class NothingPublished(AppError):
    """Raised when no release has been loaded yet."""

    status = 503
    title = "Nothing published yet"


class NoRoom(AppError):
    """Raised when a release to compare with cannot be in memory just now."""

    status = 503
    title = "Not now"
