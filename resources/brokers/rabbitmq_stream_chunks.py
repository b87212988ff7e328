"""From chunks of a stream to batches: offsets, bodies, keys, headers."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from rstream import schema

from resources.brokers.amqp10 import unpack
from resources.brokers.port import Batch
from resources.brokers.rabbitmq_headers import as_json
from resources.brokers.rabbitmq_stream_origin import Origin
from resources.errors import PermanentError

_SUB_BATCH = 0x80
_Part = TypeVar("_Part")


@dataclass(slots=True)
class Unread:
    """The messages of chunks that were taken and are in no batch yet, one list for each part of them.

    Lists, for a message costs a fraction of what an object of its own for each would.
    """

    _offsets: list[int] = field(default_factory=list)
    _bodies: list[bytes] = field(default_factory=list)
    _keys: list[str | None] = field(default_factory=list)
    _headers: list[Mapping[str, Any] | None] = field(default_factory=list)
    _chunks: deque[tuple[int, int]] = field(default_factory=deque)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._offsets)

    def add(self, chunk: schema.Deliver, first: int) -> None:
        """Add a chunk's messages from the offset `first` on: a chunk may begin before it."""
        self._chunks.append((chunk.chunk_first_offset, chunk.timestamp))
        messages = list(_messages(chunk))
        before = max(0, first - chunk.chunk_first_offset)
        for body, key, headers in map(unpack, messages[before:]):
            self._bodies.append(body)
            self._keys.append(key)
            self._headers.append(headers)
        start = chunk.chunk_first_offset
        self._offsets.extend(range(start + before, start + max(before, len(messages))))

    def batch(self, partition: str, origin: Origin, max_bytes: int) -> Batch:
        """Return the next messages, at least one and at most about `max_bytes`.

        Positions are offsets from the origin's base; the token is the origin with the last one's chunk.
        """
        sizes = accumulate(len(body) + 1 for body in self._bodies)
        end = 1 + sum(1 for _ in takewhile(lambda size: size < max_bytes, sizes))
        offsets, bodies = _first(self._offsets, end), _first(self._bodies, end)
        keys, headers = _first(self._keys, end), _first(self._headers, end)
        base, last = origin.base, offsets[-1]
        while len(self._chunks) > 1 and self._chunks[1][0] <= last:
            self._chunks.popleft()
        return Batch(
            partition=partition,
            through=base + last,
            positions=pc.add(pa.array(offsets, pa.int64()), base),
            bodies=pa.array(bodies, pa.large_binary()),
            keys=_texts(keys),
            headers=_texts(
                [as_json(each) if each else None for each in headers] if any(headers) else headers
            ),
            token=Origin(origin.epoch, *self._chunks[0]),
        )


def _first(values: list[_Part], count: int) -> list[_Part]:
    """Take the first values out of a list."""
    taken = values[:count]
    del values[:count]
    return taken


def _texts(values: Sequence[object]) -> pa.Array | None:
    array = pa.array(values, pa.string())
    return None if array.null_count == len(array) else array


def _messages(chunk: schema.Deliver) -> Iterator[bytes]:
    data, at = chunk.data, 0
    for _ in range(chunk.num_entries):
        if data[at] & _SUB_BATCH:
            inner, size = _sub_batch(data, at)
            yield from inner
            at += 1 + size
            continue
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : end]
        at = end


def _sub_batch(data: bytes, at: int) -> tuple[list[bytes], int]:
    try:
        return schema.SubEntryChunk.read(data, data[at], at + 1)
    except Exception as error:  # noqa: BLE001 - each codec raises its own
        raise PermanentError(
            "the stream holds messages in compressed batches that cannot be read here "
            f"({type(error).__name__}): publish them without compression, or with gzip"
        ) from None
