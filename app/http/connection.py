"""One connection of a client: httptools' speed, with a bound on the size of a request's head."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: uvicorn bounds the head with h11 only. A head that arrives in one piece (256 kB) is accepted.
_HEAD_BYTES = 65_536


class Connection(HttpToolsProtocol):
    """Hangs up on a client whose address and headers do not end: httptools would buffer them all."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: int | None = 0  # bytes of a head that is incomplete; None within a body

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; hang up where the head of the request grows too long."""
        super().data_received(data)
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > _HEAD_BYTES:
            self.send_400_response("The address and headers of the request are too long.")
