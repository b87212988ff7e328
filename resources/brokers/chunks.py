"""Messages to publish, in order, in chunks that are bounded in number and bytes."""

from collections.abc import Iterable, Iterator

from resources.brokers.port import Outgoing


def chunks(messages: Iterable[Outgoing], *, most: int, most_bytes: int) -> Iterator[list[Outgoing]]:
    """Yield chunks of up to `most` messages; one ends with the message that reaches `most_bytes`."""
    chunk: list[Outgoing] = []
    size = 0
    for message in messages:
        chunk.append(message)
        size += len(message.body)
        if len(chunk) >= most or size >= most_bytes:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
