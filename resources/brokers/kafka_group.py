"""What the consumer group is told: how far we are, for those who look at its lag.

It is never where we take a position from. It is asked and told through a consumer: librdkafka 2.16 crashes
in an admin client that asks for a group's offsets while the coordinator is loading.
"""

import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from resources.brokers.kafka_config import Client

_log = logging.getLogger(__name__)
_EVERY_S: Final = 1.0
_LAST_S: Final = 2.0
_ANSWER_S: Final = 10.0
_PAUSE_S: Final = 0.1
_SETTLING: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


@dataclass(slots=True)
class Group:
    """The next offsets of which the group is told, at most about every second."""

    client: Client
    done: dict[int, int] = field(default_factory=dict)
    _told: dict[int, int] = field(default_factory=dict)
    _told_at: float = 0.0
    _is_waiting: bool = False

    def ask(self, consumer: Consumer, partitions: Iterable[int]) -> dict[int, int]:
        """Return the group's offset of each partition that has one; raises when nobody answers."""
        places = [TopicPartition(self.client.topic, p) for p in partitions]
        if not places:
            return {}
        answers = self._answers(consumer, places, time.monotonic() + _ANSWER_S)
        self._told = {tp.partition: tp.offset for tp in answers if tp.offset >= 0}
        return dict(self._told)

    def _answers(
        self, consumer: Consumer, places: list[TopicPartition], deadline: float
    ) -> list[TopicPartition]:
        """Ask until the broker has settled who keeps the group, which one that has just started has not."""
        while True:
            left = deadline - time.monotonic()
            try:
                return consumer.committed(places, timeout=max(left, _PAUSE_S))
            except KafkaException as error:
                if error.args[0].code() not in _SETTLING or left <= 0:
                    raise self.client.failure("asking for the group's offsets", error.args[0]) from None
            time.sleep(_PAUSE_S * (0.5 + random.random()))

    def note(self, partition: int, offset: int) -> None:
        """Note the next offset of a partition."""
        self.done[partition] = max(offset, self.done.get(partition, 0))

    def tell(self, consumer: Consumer) -> None:
        """Tell what the group does not know, without waiting."""
        if not self._is_waiting and time.monotonic() - self._told_at > _EVERY_S:
            self._tell(consumer)

    def tell_all(self, consumer: Consumer) -> None:
        """Tell the rest and wait for the answer, about 2 s at most; the consumer reads no more."""
        consumer.unassign()
        deadline = time.monotonic() + _LAST_S
        while time.monotonic() < deadline and (self._is_waiting or self._news()):
            if not self._is_waiting:
                self._tell(consumer)
            consumer.poll(0.05)

    def on_commit(self, error: KafkaError | None, places: object) -> None:
        """Take the answer; a refusal is no error, for we do not need the group."""
        self._is_waiting = False
        if error is not None:
            reason = self.client.redacted(error.str())
            _log.info("%s: group %s was not told: %s", self.client.feed, self.client.group, reason)
            self._told.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.done.clear()
        self._told.clear()
        self._is_waiting = False

    def _news(self) -> dict[int, int]:
        return {p: offset for p, offset in self.done.items() if self._told.get(p) != offset}

    def _tell(self, consumer: Consumer) -> None:
        news = self._news()
        if not news:
            return
        self._told_at = time.monotonic()
        self._told |= news
        self._is_waiting = True
        places = [TopicPartition(self.client.topic, p, offset) for p, offset in sorted(news.items())]
        try:
            consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            self.on_commit(error.args[0], None)
