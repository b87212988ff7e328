"""Publishing to Kafka: idempotent, to all replicas, in order per key."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from resources.brokers.kafka_config import Client, refused_settings
from resources.brokers.port import Outgoing

_DELIVERY_S: Final = 30


@dataclass(slots=True)
class Producing:
    """The producer of one topic, opened when it is first needed."""

    client: Client
    _producer: Producer | None = field(default=None, repr=False)
    _failed: list[KafkaError] = field(default_factory=list, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether something was published before."""
        return self._producer is not None

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Return how many were published; all of them are confirmed. Raises for the first that was not."""
        producer = self._opened()
        self._failed.clear()
        count = 0
        for message in messages:
            self._put(producer, message)
            count += 1
            if count % 1_000 == 0:
                producer.poll(0)
            if self._failed:
                break
        # Every message is confirmed or given up within the time for delivery.
        left = producer.flush(_DELIVERY_S + 5)
        if left or self._failed:
            self._give_up(count, left)
        return count

    def close(self) -> None:
        """Give the connection back; nothing waits in it, for `publish` leaves nothing behind."""
        self._producer = None

    def _put(self, producer: Producer, message: Outgoing) -> None:
        deadline = time.monotonic() + _DELIVERY_S + 5
        while True:
            try:
                producer.produce(self.client.topic, message.body, message.key)
            except BufferError:
                producer.poll(0.1)
                if time.monotonic() > deadline:
                    self._give_up(0, len(producer))
            except KafkaException as error:
                self._failed.append(error.args[0])
                return
            else:
                return

    def _give_up(self, count: int, left: int) -> None:
        producer, self._producer = self._producer, None
        error = self._failed[0] if self._failed else KafkaError(KafkaError._MSG_TIMED_OUT)
        lost = len(self._failed) + left
        if producer is not None:
            producer.purge()
        raise self.client.failure(f"publishing ({lost} of {count} messages were not confirmed)", error)

    def _opened(self) -> Producer:
        if self._producer is None:
            defaults = {
                "linger.ms": 5,
                "compression.type": "lz4",
                # The topic's limit decides, not the client's.
                "message.max.bytes": 100_000_000,
                "queue.buffering.max.kbytes": 65_536,
                "delivery.timeout.ms": _DELIVERY_S * 1_000,
                # A key goes to the partition to which Java's producers send it.
                "partitioner": "murmur2_random",
            }
            own = self.client.settings(acks="all", enable_idempotence=True, delivery_report_only_error=True)
            try:
                self._producer = Producer({**defaults, **own, "on_delivery": self._on_delivery})
            except KafkaException as error:
                raise refused_settings(self.client, error) from None
        return self._producer

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(error)
