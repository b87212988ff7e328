"""LAND: take messages from a broker into durable segments, acknowledging after the fsync."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from assets.landing.turns import landing_lease, take_turn
from resources.brokers.port import Batch, Broker
from resources.crashpoints import reached
from resources.errors import OrdersError, PermanentError, TransientError
from resources.segments import Landing, Messages, Segment

SEGMENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Landed:
    """What one call of `land` took in."""

    messages: int
    segments: int
    bytes: int


def land(
    broker: Broker,
    landing: Landing,
    *,
    timeout_s: float = 60.0,
    segment_bytes: int = SEGMENT_BYTES,
    on_segment: Callable[[Segment], None] | None = None,
) -> Landed:
    """Land everything up to the high watermarks of this moment and return what was taken.

    The position is the landing folder itself: nothing else is read or kept. Where stream mode holds the
    feed's lease, nothing is taken: this returns once the stream has landed as far. Raises TransientError
    when the feed's lease is held for longer than `timeout_s`, the disk is nearly full or the broker
    fails, PermanentError, after the other partitions, for one that waits for a decision; what was
    landed until then stays, and the next call goes on from there.
    """
    messages = segments = size = 0
    lease = landing_lease(landing, broker.feed)
    if not take_turn(lease, timeout_s):
        return Landed(0, 0, 0)
    try:
        positions = landed_positions(landing, broker.feed)
        broker.resume(positions)
        missing = {p: last for p, last in broker.watermarks().items() if last > positions.get(p, -1)}
        while missing:
            batch = broker.poll(max_bytes=segment_bytes, timeout_s=timeout_s)
            if batch is None:
                break
            if len(batch.positions):
                segment = landing.append_all(broker.feed, [messages_of(batch)])
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
    finally:
        lease.release()
    return Landed(messages, segments, size)


def land_feeds(
    brokers: Iterable[Broker],
    landing: Landing,
    *,
    timeout_s: float = 60.0,
    on_segment: Callable[[Segment], None] | None = None,
) -> Landed:
    """Land each feed, also when another one fails, and return what was taken in all.

    Raises what `land` raises; of several failures one that holds all their lines.
    """
    landed: list[Landed] = []
    failed: list[OrdersError] = []
    for broker in brokers:
        try:
            landed.append(land(broker, landing, timeout_s=timeout_s, on_segment=on_segment))
        except OrdersError as error:
            failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        is_final = all(isinstance(error, PermanentError) for error in failed)
        raise (PermanentError if is_final else TransientError)("; ".join(str(error) for error in failed))
    return Landed(
        sum(each.messages for each in landed),
        sum(each.segments for each in landed),
        sum(each.bytes for each in landed),
    )


def messages_of(batch: Batch) -> Messages:
    """Return a batch as the landing folder takes it."""
    return Messages(batch.partition, batch.positions, batch.bodies, batch.keys, batch.headers)


def landed_positions(landing: Landing, feed: str) -> dict[str, int]:
    """Return the last landed position of each partition of a feed."""
    last: dict[str, int] = {}
    for segment in landing.segments(feed):
        for span in segment.ranges:
            if span.feed == feed:
                last[span.partition] = max(last.get(span.partition, -1), span.last)
    return last
