"""The port that every broker fills: a few methods that fit log brokers and queue brokers alike.

A *log* broker (Kafka, RabbitMQ streams) keeps messages by offset: `resume` seeks to the positions after
the landed ones, and `acknowledge` at most tells others how far we are. A *queue* broker (RabbitMQ
queues, ActiveMQ, the inbox) forgets what is acknowledged: `resume` tells it how to number on, and what
was landed but not acknowledged comes again and counts as a duplicate, or is recognised by position.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one partition, positions ascending; `token` is the broker's own.

    `positions` is int64, `bodies` large_binary, `keys` and `headers` (a JSON object each) are string
    or None; all of one length, which is 0 when there was nothing new. Everything of the partition
    up to the position `through` has been delivered with this batch: a log may have gaps at its end.
    """

    partition: str
    through: int
    positions: pa.Array
    bodies: pa.Array
    keys: pa.Array | None
    headers: pa.Array | None
    token: object


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish: the bytes stay untouched; `key` keeps the order within an order id."""

    body: bytes
    key: str | None = None


class Broker(Protocol):
    """One feed of messages."""

    feed: str

    def resume(self, landed: Mapping[str, int]) -> None:
        """Go on after the last landed position of each partition; {} when nothing has landed."""
        ...

    def watermarks(self) -> Mapping[str, int]:
        """Return the greatest position of each partition that is there now: where a batch ends."""
        ...

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return the next batch of at most about `max_bytes`, None if none came in `timeout_s`."""
        ...

    def keep_alive(self) -> None:
        """Answer heartbeats; called at least every 5 s while a full buffer keeps us from polling."""
        ...

    def acknowledge(self, batch: Batch) -> None:
        """Let the broker forget `batch`, whose bytes are durable with us now."""
        ...

    def backlog(self) -> int:
        """Return how many messages (for the inbox: files) wait, without taking any."""
        ...

    def stopped(self) -> Sequence[str]:
        """Return one clear line for each partition that waits for a decision while the others go on.

        A queue has none: what is wrong with it raises. LAND ends the others' batch first and then fails
        with these lines; stream mode tells of them again and again.
        """
        ...

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Publish and return how many; when this returns all of them are durable there."""
        ...

    def close(self) -> None:
        """Give back connections and leases."""
        ...
