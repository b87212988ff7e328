"""From the messages of librdkafka to Arrow, with as little Python a message as there can be."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from resources.brokers.port import Batch


def by_partition(messages: Iterable[Message]) -> dict[int, list[Message]]:
    """Return the messages of each partition, in their order."""
    groups: dict[int, list[Message]] = {}
    # They come in runs of one partition, a run for each answer of the broker.
    for partition, run in groupby(messages, Message.partition):
        assert partition is not None
        groups.setdefault(partition, []).extend(run)
    return groups


def batches_of(partition: int, messages: Sequence[Message], base: int, max_bytes: int) -> Iterator[Batch]:
    """Yield batches of at most about `max_bytes`, one message at least; `base` is added to offsets."""
    sizes = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages))
    ends = np.cumsum(sizes)
    start = 0
    while start < len(messages):
        limit = (ends[start - 1] if start else 0) + max_bytes
        end = max(start + 1, int(np.searchsorted(ends, limit, side="right")))
        yield _batch(partition, messages[start:end], base)
        start = end


def _batch(partition: int, messages: Sequence[Message], base: int) -> Batch:
    # `map` with a method of C stays in C; a comprehension costs a frame of Python for each message.
    positions = np.fromiter(map(Message.offset, messages), dtype=np.int64, count=len(messages)) + base
    bodies = pa.array(list(map(Message.value, messages)), pa.large_binary())
    # A tombstone has no value; the record of raw messages has an empty one.
    if bodies.null_count:
        bodies = bodies.fill_null(b"")
    return Batch(
        partition=str(partition),
        through=int(positions[-1]),
        positions=pa.array(positions),
        bodies=bodies,
        keys=_keys(list(map(Message.key, messages))),
        headers=_headers(list(map(Message.headers, messages))),
        token=None,
    )


def _keys(keys: Sequence[bytes | str | None]) -> pa.Array | None:
    array = pa.array(keys, pa.binary())
    if array.null_count == len(array):
        return None
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if key is None else _text(key) for key in keys], pa.string())


def _headers(headers: Sequence[object]) -> pa.Array | None:
    if not any(headers):
        return None
    return pa.array([_json(pairs) if isinstance(pairs, list) else None for pairs in headers], pa.string())


def _json(pairs: Sequence[tuple[str, bytes | None]]) -> str:
    """Return headers as a JSON object; a name that comes several times has a list."""
    found: dict[str, list[str | None]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(None if value is None else _text(value))
    plain = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    return json.dumps(plain, ensure_ascii=False)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def nothing_new(partition: int, through: int) -> Batch:
    """Return an empty batch, which says that a partition is complete up to a position."""
    none = pa.array([], pa.int64())
    return Batch(str(partition), through, none, pa.array([], pa.large_binary()), None, None, None)
