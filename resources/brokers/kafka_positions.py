"""From landed positions to the next offsets of a Kafka topic, and what to do when those are gone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from resources.brokers.kafka_admin import Extent
from resources.brokers.kafka_config import Client
from resources.brokers.kafka_origin import EPOCH, Origin, keep_origin, read_origin
from resources.errors import PermanentError

_log = logging.getLogger(__name__)


class OnLost(StrEnum):
    """What happens when messages that were not landed are gone: stop and tell, or go on at the first."""

    STOP = "stop"
    EARLIEST = "earliest"


@dataclass(slots=True)
class Positions:
    """The next offset of each partition that is read, and a line for each that is stopped.

    `memory` is the folder that keeps what the positions belong to; without one nothing is compared.
    """

    client: Client
    memory: Path | None = None
    on_lost: OnLost = OnLost.STOP
    origin: Origin = field(default_factory=lambda: Origin("", ""))
    next: dict[int, int] = field(default_factory=dict)
    stopped: dict[int, str] = field(default_factory=dict)

    def base(self, partition: int) -> int:
        """Return the position of a partition's offset 0."""
        return self.origin.base(str(partition))

    def knows(self, partition: int) -> bool:
        """Whether a partition is read or stopped."""
        return partition in self.next or partition in self.stopped

    def clear(self) -> None:
        """Forget the partitions."""
        self.next.clear()
        self.stopped.clear()

    def demand_same(self, found: Origin) -> None:
        """Raise PermanentError when the topic is not the one that is being read."""
        if not self.origin.is_same(found):
            raise PermanentError(self._another(self.origin, found))

    def adopt(self, found: Origin, landed: Mapping[str, int]) -> None:
        """Set what positions belong to, kept durably; the first time it is what is there.

        Raises PermanentError when the topic is another one and `on_lost` does not say to go on.
        """
        kept = None if self.memory is None else read_origin(self.memory, self.client.feed)
        if kept is not None and kept.is_same(found):
            self.origin = kept
            return
        if kept is None:
            self.origin = Origin(found.cluster, found.topic_id, *self._epochs_of(landed))
        elif self.on_lost is OnLost.EARLIEST:
            self.origin = kept.anew(found, landed)
            text = "%s: topic %s is another one now: it is read from its start"
            _log.warning(text, self.client.feed, self.client.topic)
        else:
            raise PermanentError(self._another(kept, found))
        self._keep()

    def _epochs_of(self, landed: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
        if landed and self.memory is not None:
            # A landing folder restored without its hidden files, or one from before they were kept.
            feed = self.client.feed
            _log.warning("%s: nothing says which topic was landed: taking the one that is there", feed)
        epochs = {partition: position // EPOCH for partition, position in landed.items()}
        return min(epochs.values(), default=0), epochs

    def _another(self, kept: Origin, found: Origin) -> str:
        return (
            f"{self.client.feed}: topic {self.client.topic} is not the one that was landed (cluster "
            f"{kept.cluster}, topic id {kept.topic_id}; now {found.cluster}, {found.topic_id}): point "
            "ORDERS_BROKER_URL at the old one, give the new one a feed of its own by name=, or add "
            "on_lost=earliest to go on with the new one from its start"
        )

    def begin(self, partition: int, extent: Extent, landed: int | None, told: int | None) -> int | None:
        """Return the next offset of a partition, given its last landed position; None when it stops.

        What the group was told counts where nothing has landed: it tells of messages that came and went.
        """
        base = self.base(partition)
        if landed is None or landed < base:
            offset = extent.low if told is None or base else min(told, extent.low)
        else:
            offset = landed + 1 - base
        if extent.low <= offset <= extent.end:
            self.next[partition] = offset
            return offset
        if self.on_lost is OnLost.STOP:
            self.next.pop(partition, None)
            self.stopped[partition] = self._lost(partition, offset, extent)
            _log.error("%s", self.stopped[partition])
            return None
        _log.warning("%s; on_lost=earliest: going on at %d", self._gap(partition, offset, extent), extent.low)
        if offset > extent.end:
            self.origin = self.origin.partition_anew(str(partition))
            self._keep()
        self.next[partition] = extent.low
        return extent.low

    def _gap(self, partition: int, offset: int, extent: Extent) -> str:
        there = f"offsets {extent.low} to {extent.end - 1}" if extent.end > extent.low else "no message"
        return (
            f"{self.client.feed}: partition {partition} of topic {self.client.topic} is landed up to offset "
            f"{offset - 1}, and the broker has {there}"
        )

    def _lost(self, partition: int, offset: int, extent: Extent) -> str:
        why = (
            f"retention took {extent.low - offset} offsets that were not landed"
            if offset < extent.low
            else "its log was cut back"
        )
        return (
            f"{self._gap(partition, offset, extent)} ({why}): the partition stops; restore its messages, "
            f"or add on_lost=earliest to ORDERS_BROKER_URL to go on at offset {extent.low} without them"
        )

    def _keep(self) -> None:
        if self.memory is not None:
            keep_origin(self.memory, self.client.feed, self.origin)
