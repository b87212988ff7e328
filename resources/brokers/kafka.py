"""Kafka: a log that is read by offset, from the landed positions on.

Partitions are assigned by hand, never by a group subscription: positions come from the landing folder
alone. The group is only told how far we are, so that others see the lag.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from resources.brokers.address import Address
from resources.brokers.kafka_admin import Admin
from resources.brokers.kafka_batches import batches_of, by_partition, nothing_new
from resources.brokers.kafka_config import Client, client_of, refused_settings
from resources.brokers.kafka_group import Group
from resources.brokers.kafka_positions import OnLost, Positions
from resources.brokers.kafka_producing import Producing
from resources.brokers.port import Batch, Outgoing
from resources.errors import PermanentError

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 10_000
_LOOK_S: Final = 0.5
_LINGER_S: Final = 0.05


def open_url(address: Address, memory: Path | None = None) -> "Kafka":
    """Return the broker of `kafka://user:password@host:9092,host:9092/topic?option=value`.

    Options: `name`, `group`, `config` (a file of properties), `on_lost=earliest`, and every property of
    librdkafka that has a dot in its name.
    """
    client = client_of(address)
    choice = address.options.get("on_lost", OnLost.STOP)
    if choice not in list(OnLost):
        raise PermanentError(f"on_lost= in a kafka URL is {' or '.join(OnLost)}")
    return Kafka(client, Positions(client, memory, OnLost(choice)))


@dataclass(slots=True)
class Kafka:
    """One topic, read from its positions on. Used by one thread at a time.

    New partitions and a topic that was created anew are looked for every `look_again_s`.
    """

    client: Client
    positions: Positions = field(repr=False)
    look_again_s: float = 15.0
    feed: str = field(init=False)
    _admin: Admin = field(init=False, repr=False)
    _group: Group = field(init=False, repr=False)
    _producing: Producing = field(init=False, repr=False)
    _consumer: Consumer | None = field(default=None, repr=False)
    _ready: deque[Batch] = field(default_factory=deque, repr=False)
    _looked_at: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        """Name the feed."""
        self.feed = self.client.feed
        self._admin = Admin(self.client)
        self._group = Group(self.client)
        self._producing = Producing(self.client)

    def resume(self, landed: Mapping[str, int]) -> None:
        """Assign every partition from the offset after its landed position on.

        Raises PermanentError when the topic is not the one that the positions belong to. A partition
        whose next offset is not there stops, unless `on_lost` says otherwise; see `stopped`.
        """
        self._close_consumer()
        found, partitions = self._admin.identity()
        self.positions.adopt(found, landed)
        extents = self._admin.extents(partitions)
        self._consumer = self._opened()
        told = self._group.ask(self._consumer, partitions)
        for partition in partitions:
            position = landed.get(str(partition))
            offset = self.positions.begin(partition, extents[partition], position, told.get(partition))
            if position is not None and offset is not None:
                self._group.note(partition, offset)
        self._consumer.assign([self._place(p, offset) for p, offset in self.positions.next.items()])
        self._looked_at = time.monotonic()
        self._group.tell(self._consumer)

    def watermarks(self) -> Mapping[str, int]:
        """Return the last stable position of each partition that is not stopped."""
        extents = self._admin.extents(self.positions.next)
        return {str(p): self.positions.base(p) + extent.end - 1 for p, extent in extents.items()}

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return the next batch; it comes soon after the first message, and grows when more are waiting."""
        if not self._ready:
            self._look_again()
            self._sort(self._gather(max_bytes, timeout_s), max_bytes)
        return self._ready.popleft() if self._ready else None

    def keep_alive(self) -> None:
        """Do nothing: librdkafka answers by itself, and its queue is bounded."""

    def acknowledge(self, batch: Batch) -> None:
        """Note how far we are; the group is told about every second."""
        partition = int(batch.partition)
        offset = batch.through + 1 - self.positions.base(partition)
        self._group.note(partition, offset)
        self._group.tell(self._reading())

    def backlog(self) -> int:
        """Return how many offsets the group is behind; markers of transactions among them count too."""
        _, partitions = self._admin.identity()
        extents = self._admin.extents(partitions)
        consumer = self._consumer or self._opened()
        done = self._group.ask(consumer, partitions) | self._group.done
        if consumer is not self._consumer:
            consumer.close()
        return sum(max(0, e.end - max(done.get(p, 0), e.low)) for p, e in extents.items())

    def stopped(self) -> Sequence[str]:
        """Return a line for each partition whose next message is gone."""
        return tuple(line for _, line in sorted(self.positions.stopped.items()))

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Publish in order per key, to all replicas; raises when one message was not confirmed."""
        if not self._producing.is_open:
            self._admin.identity()
        return self._producing.publish(messages)

    def close(self) -> None:
        """Tell the group and give the connections back."""
        self._close_consumer()
        self._producing.close()
        self._admin.close()

    def _look_again(self) -> None:
        """See from time to time that the topic is the same one, and take up new partitions."""
        if time.monotonic() - self._looked_at < self.look_again_s:
            return
        found, partitions = self._admin.identity()
        self.positions.demand_same(found)
        self._looked_at = time.monotonic()
        new = [p for p in partitions if not self.positions.knows(p)]
        if not new:
            return
        _log.info("%s: new partitions %s", self.feed, new)
        for partition, extent in self._admin.extents(new).items():
            self.positions.next[partition] = extent.low
        self._reading().incremental_assign([self._place(p, self.positions.next[p]) for p in new])

    def _gather(self, max_bytes: int, timeout_s: float) -> list[Message]:
        """Wait for the first message, then take what is there, until `max_bytes`."""
        first = self._first(timeout_s)
        if first is None:
            return []
        messages, size = [first], len(first)
        linger_until = time.monotonic() + _LINGER_S
        while size < max_bytes and len(messages) < 50 * _AT_ONCE:
            # About as many as are still wanted, so that a batch of large messages stays bounded.
            wanted = (max_bytes - size) * len(messages) // max(size, 1) + 1
            more = self._reading().consume(min(max(wanted, 1), _AT_ONCE), timeout=0)
            if not more:
                if self._is_caught_up(messages) or time.monotonic() > linger_until:
                    break
                more = self._reading().consume(1, timeout=0.005)
            messages += more
            size += sum(map(len, more))
        return messages

    def _first(self, timeout_s: float) -> Message | None:
        begun = time.monotonic()
        while True:
            left = begun + timeout_s - time.monotonic()
            message = self._reading().poll(min(max(left, 0.0), _LOOK_S))
            if message is not None:
                self.client.is_well()
                return message
            if complaint := self.client.complaint(time.monotonic() - begun):
                raise self.client.failure("reading", complaint)
            if left <= _LOOK_S:
                return None

    def _is_caught_up(self, messages: Sequence[Message]) -> bool:
        """Tell whether nothing more is known to wait in the partition that came last."""
        last = messages[-1]
        if last.error() is not None:
            return True
        place = self._place(last.partition() or 0, 0)
        extent = self._reading().get_watermark_offsets(place, cached=True)
        return extent is None or (last.offset() or 0) + 1 >= extent[1]

    def _sort(self, messages: Sequence[Message], max_bytes: int) -> None:
        """Queue what came as batches of one partition each."""
        has_events = any(map(Message.error, messages))
        good = [m for m in messages if m.error() is None] if has_events else messages
        for partition, group in by_partition(good).items():
            if partition in self.positions.next:
                self.positions.next[partition] = (group[-1].offset() or 0) + 1
                self._ready.extend(batches_of(partition, group, self.positions.base(partition), max_bytes))
        if has_events:
            for message in messages:
                if (error := message.error()) is not None:
                    self._settle(message.partition(), message.offset(), error)

    def _settle(self, partition: int | None, offset: int | None, error: KafkaError) -> None:
        """Take an event that is no message: an end, a lost offset, or trouble."""
        if partition is None or partition not in self.positions.next:
            raise self.client.failure("reading", error)
        if error.code() == KafkaError._PARTITION_EOF:
            if offset is not None and offset >= self.positions.next[partition]:
                # Markers of transactions and aborted messages take offsets without ever being delivered.
                self.positions.next[partition] = offset
                self._ready.append(nothing_new(partition, self.positions.base(partition) + offset - 1))
            return
        if error.code() not in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self.client.failure("reading", error)
        self._looked_at = 0.0
        self._look_again()
        before = self.positions.base(partition) + self.positions.next[partition] - 1
        extent = self._admin.extents([partition])[partition]
        offset = self.positions.begin(partition, extent, before, None)
        self._reading().incremental_unassign([self._place(partition, 0)])
        if offset is not None:
            self._reading().incremental_assign([self._place(partition, offset)])

    def _place(self, partition: int, offset: int) -> TopicPartition:
        return TopicPartition(self.client.topic, partition, offset)

    def _reading(self) -> Consumer:
        assert self._consumer is not None, "resume comes before poll"
        return self._consumer

    def _opened(self) -> Consumer:
        settings = self.client.settings(
            group_id=self.client.group,
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="error",
            isolation_level="read_committed",
            enable_partition_eof=True,
        )
        settings["on_commit"] = self._group.on_commit
        # What waits here is bounded: it counts in the stream's memory, about twice. And an answer of the
        # broker for every dozen messages costs both sides more than the messages.
        defaults = {
            "queued.max.messages.kbytes": 8_192,
            "fetch.queue.backoff.ms": 20,
            "fetch.min.bytes": 65_536,
            "fetch.wait.max.ms": 50,
        }
        try:
            return Consumer({**defaults, **settings})
        except KafkaException as error:
            raise refused_settings(self.client, error) from None

    def _close_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._group.tell_all(consumer)
            consumer.close()
        self._ready.clear()
        self._group.clear()
        self.positions.clear()
