"""LAND: take messages from a broker into durable segments, acknowledging after the fsync."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resources.brokers.port import Broker
from resources.crashpoints import reached
from resources.errors import PermanentError
from resources.segments import Landing, Segment, held

SEGMENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Landed:
    """What one call of `land` took in."""

    messages: int
    segments: int
    bytes: int


def lease(landing: Landing, feed: str) -> Path:
    """Return the lock file of the landing lease of a feed: one process lands it at a time."""
    return landing.root / ".leases" / f"{feed.replace('/', '_').replace(':', '_')}.lock"


def land(
    broker: Broker,
    landing: Landing,
    *,
    timeout_s: float = 60.0,
    segment_bytes: int = SEGMENT_BYTES,
    on_segment: Callable[[Segment], None] | None = None,
) -> Landed:
    """Land everything up to the high watermarks of this moment and return what was taken.

    The position is the landing folder itself: nothing else is read or kept. Raises TransientError
    when the feed's lease is held for longer than `timeout_s`, the disk is nearly full or the broker
    fails, PermanentError, after the other partitions, for one that waits for a decision; what was
    landed until then stays, and the next call goes on from there.
    """
    messages = segments = size = 0
    with held(lease(landing, broker.feed), timeout_s, f"the landing lease of feed {broker.feed}"):
        positions = landed_positions(landing, broker.feed)
        broker.resume(positions)
        missing = {p: last for p, last in broker.watermarks().items() if last > positions.get(p, -1)}
        while missing:
            batch = broker.poll(max_bytes=segment_bytes, timeout_s=timeout_s)
            if batch is None:
                break
            if len(batch.positions):
                segment = landing.append(
                    feed=broker.feed,
                    partition=batch.partition,
                    positions=batch.positions,
                    bodies=batch.bodies,
                    keys=batch.keys,
                    headers=batch.headers,
                )
                messages, segments, size = messages + segment.rows, segments + 1, size + segment.bytes
                if on_segment is not None:
                    on_segment(segment)
            reached("land.before_acknowledge")
            broker.acknowledge(batch)
            reached("land.acknowledged")
            if batch.through >= missing.get(batch.partition, batch.through + 1):
                del missing[batch.partition]
        if lines := broker.stopped():
            raise PermanentError("; ".join(lines))
    return Landed(messages, segments, size)


def landed_positions(landing: Landing, feed: str) -> dict[str, int]:
    """Return the last landed position of each partition of a feed."""
    last: dict[str, int] = {}
    for segment in landing.segments(feed):
        for span in segment.ranges:
            if span.feed == feed:
                last[span.partition] = max(last.get(span.partition, -1), span.last)
    return last
