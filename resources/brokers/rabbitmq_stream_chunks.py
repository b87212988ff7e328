"""From chunks of a stream to batches: offsets, bodies, keys, headers."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from rstream import schema

from resources.brokers.amqp10 import unpack
from resources.brokers.port import Batch
from resources.brokers.rabbitmq_headers import as_json
from resources.brokers.rabbitmq_stream_origin import Origin
from resources.errors import PermanentError

_SUB_BATCH = 0x80


@dataclass(slots=True)
class Unread:
    """The messages of chunks that were taken and are in no batch yet."""

    _rows: deque[tuple[int, bytes, str | None, dict[str, Any]]] = field(default_factory=deque)
    _chunks: deque[tuple[int, int]] = field(default_factory=deque)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    def add(self, chunk: schema.Deliver, first: int) -> None:
        """Add a chunk's messages from the offset `first` on: a chunk may begin before it."""
        self._chunks.append((chunk.chunk_first_offset, chunk.timestamp))
        for offset, message in enumerate(_messages(chunk), chunk.chunk_first_offset):
            if offset >= first:
                found = unpack(message)
                self._rows.append((offset, found.body, found.key, found.headers))

    def batch(self, partition: str, origin: Origin, max_bytes: int) -> Batch:
        """Return the next messages, at least one and at most about `max_bytes`.

        Positions are offsets from the origin's base; the token is the origin with the last one's chunk.
        """
        rows = []
        size = 0
        while self._rows and size < max_bytes:
            rows.append(self._rows.popleft())
            size += len(rows[-1][1]) + 1
        headers = [as_json(row[3]) if row[3] else None for row in rows]
        keys = [row[2] for row in rows]
        base, last = origin.base, rows[-1][0]
        while len(self._chunks) > 1 and self._chunks[1][0] <= last:
            self._chunks.popleft()
        return Batch(
            partition=partition,
            through=base + last,
            positions=pa.array([base + row[0] for row in rows], pa.int64()),
            bodies=pa.array([row[1] for row in rows], pa.large_binary()),
            keys=pa.array(keys, pa.string()) if any(key is not None for key in keys) else None,
            headers=pa.array(headers, pa.string()) if any(text is not None for text in headers) else None,
            token=Origin(origin.epoch, *self._chunks[0]),
        )


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
