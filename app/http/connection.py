"""One connection of a client: httptools' speed, with a bound on what may come before a request's body."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: uvicorn's own bound is of h11 alone. What arrives in one piece (256 kB) is taken as it comes.
_HEAD_BYTES = 65_536


class Connection(HttpToolsProtocol):
    """Hangs up on a client whose address and headers do not end: httptools would keep them all."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: int | None = 0  # bytes of a head that is not whole yet; None within a body

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless the head of the request grows too long."""
        super().data_received(data)
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > _HEAD_BYTES:
            self.send_400_response("The address and headers of the request are too long.")
