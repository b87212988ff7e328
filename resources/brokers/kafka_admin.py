"""What a Kafka feed asks its cluster, besides messages: its identity, and which offsets are there."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec

from resources.brokers.kafka_config import Client, refused_settings
from resources.brokers.kafka_origin import Origin
from resources.errors import TransientError

_ANSWER_S: Final = 10.0
_NOT_READY_S: Final = 0.2
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets of a partition that are there: `low` is the first, `end` the one after the last stable."""

    low: int
    end: int


@dataclass(slots=True)
class Admin:
    """Asks for one topic; each question is answered in about 10 s or raises."""

    client: Client
    _opened: AdminClient | None = field(default=None, repr=False)

    def identity(self) -> tuple[Origin, list[int]]:
        """Return what offsets belong to now, and the partitions; PermanentError for a topic that is not."""
        admin = self._admin()
        cluster = self._answer(admin.describe_cluster(request_timeout=_ANSWER_S), "asking for the cluster")
        topics = admin.describe_topics(TopicCollection([self.client.topic]), request_timeout=_ANSWER_S)
        topic = self._answer(topics[self.client.topic], "asking for the topic")
        origin = Origin(str(cluster.cluster_id or ""), str(topic.topic_id or ""))
        return origin, sorted(partition.id for partition in topic.partitions)

    def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        """Return the extent of each partition, as a reader of committed messages sees it."""
        places = {p: TopicPartition(self.client.topic, p) for p in partitions}
        if not places:
            return {}
        lows = self._offsets(places, EarliestSpec())  # type: ignore[no-untyped-call]
        ends = self._offsets(places, LatestSpec())  # type: ignore[no-untyped-call]
        return {p: Extent(lows[p], ends[p]) for p in places}

    def close(self) -> None:
        """Give the connections back."""
        self._opened = None

    def _offsets(self, places: Mapping[int, TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        def ask() -> dict[int, int]:
            answers = self._admin().list_offsets(
                dict.fromkeys(places.values(), spec),
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=_ANSWER_S,
            )
            doing = "asking for offsets"
            return {tp.partition: int(self._answer(each, doing).offset) for tp, each in answers.items()}

        return self._again_while_passing(ask)

    def _admin(self) -> AdminClient:
        if self._opened is None:
            try:
                self._opened = AdminClient(self.client.settings())
            except KafkaException as error:
                raise refused_settings(self.client, error) from None
        return self._opened

    def _again_while_passing(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask again while the cluster answers but is not ready: after its start, or that of a topic."""
        give_up_at = time.monotonic() + _ANSWER_S
        while True:
            try:
                return ask()
            except TransientError:
                if time.monotonic() > give_up_at or self.client.complaint(_ANSWER_S):
                    raise
                time.sleep(_NOT_READY_S)

    def _answer(self, future: "Future[Any]", doing: str) -> Any:
        """Wait for an answer, but not on when it is clear that none will come."""
        begun = time.monotonic()
        while not wait([future], 0.05).done:
            self._admin().poll(0)
            waited_s = time.monotonic() - begun
            if complaint := self.client.complaint(waited_s):
                raise self.client.failure(doing, complaint)
            if waited_s > _ANSWER_S + 1:
                raise TransientError(f"{self.client.feed}: {doing} took longer than {_ANSWER_S:g} s")
        try:
            result = future.result()
            self.client.is_well()
            return result
        except KafkaException as error:
            self._admin().poll(0)
            reason = error.args[0]
            assert isinstance(reason, KafkaError)
            raise self.client.failure(doing, reason) from None
