"""From chunks of a stream to batches: offsets, bodies, keys, headers."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rstream import schema

from resources.brokers.amqp10 import LONG_DATA, unpack
from resources.brokers.port import Batch
from resources.brokers.rabbitmq_headers import as_json
from resources.brokers.rabbitmq_stream_origin import Origin
from resources.errors import PermanentError

_SUB_BATCH = 0x80
# The size of a message, and how it begins: the head of a section and the size of what that holds.
_ENTRY = Struct(">I4sI")
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
        bodies, keys, headers = _messages(chunk)
        before = max(0, first - chunk.chunk_first_offset)
        self._bodies += bodies[before:]
        self._keys += keys[before:]
        self._headers += headers[before:]
        start = chunk.chunk_first_offset
        self._offsets.extend(range(start + before, start + max(before, len(bodies))))

    def batch(self, partition: str, origin: Origin, max_bytes: int) -> Batch:
        """Return the next messages, at least one and at most about `max_bytes`.

        Positions are offsets from the origin's base; the token is the origin with the last one's chunk.
        """
        sizes = np.fromiter(map(len, self._bodies), np.int64, len(self._bodies)) + 1
        end = 1 + int(np.searchsorted(np.cumsum(sizes), max_bytes))
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


def _messages(
    chunk: schema.Deliver,
) -> tuple[list[bytes], list[str | None], list[Mapping[str, Any] | None]]:
    """Return the bodies, keys and headers of a chunk's messages."""
    bodies: list[bytes] = []
    keys: list[str | None] = []
    headers: list[Mapping[str, Any] | None] = []
    # So that the beginning of a message can be looked at, however short the last one is.
    data, at = chunk.data + bytes(_ENTRY.size), 0
    for _ in range(chunk.num_entries):
        if data[at] & _SUB_BATCH:
            inner, size = _sub_batch(data, at)
            at += 1 + size
        else:
            size, section, length = _ENTRY.unpack_from(data, at)
            begin, at = at + 4, at + 4 + size
            if section == LONG_DATA and size == length + 8:
                # A message that is only its body, as most are: to unpack it takes four times as long.
                bodies.append(data[begin + 8 : at])
                keys.append(None)
                headers.append(None)
                continue
            inner = [data[begin:at]]
        for body, key, told in map(unpack, inner):
            bodies.append(body)
            keys.append(key)
            headers.append(told)
    return bodies, keys, headers


def _sub_batch(data: bytes, at: int) -> tuple[list[bytes], int]:
    try:
        return schema.SubEntryChunk.read(data, data[at], at + 1)
    except Exception as error:  # noqa: BLE001 - each codec raises its own
        raise PermanentError(
            "the stream holds messages in compressed batches that cannot be read here "
            f"({type(error).__name__}): publish them without compression, or with gzip"
        ) from None
