"""Request bodies: their declared size, and those that are read whole, inspected, and passed on."""

from starlette.types import Message, Receive, Scope


def declared_size(scope: Scope, unknown: int) -> int:
    """Declared size of the body in bytes; ``unknown`` where none is declared."""
    for name, value in scope.get("headers", ()):
        if name == b"content-length" and value.isdigit():
            return int(value)
    return unknown


async def read_whole(receive: Receive, most: int) -> bytes | None:
    """The body; None where it has more than ``most`` bytes. Cut short where the caller hangs up."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size, more = size + len(part), message.get("more_body", False)
        if size > most:
            return None
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` whole, and then the further messages of the connection."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
