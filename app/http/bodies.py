"""Request bodies that are read whole, to be looked at, and handed on."""

from starlette.types import Message, Receive


async def read_whole(receive: Receive, most: int) -> bytes | None:
    """The body; None where it has more than ``most`` bytes. It ends early where the caller hangs up."""
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
    """A ``receive`` that gives ``body`` whole, and then what the connection has to say."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
