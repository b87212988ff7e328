"""LAND: take messages from a broker into durable segments, acknowledging after the fsync."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

from assets.landing.turns import landing_lease, take_turn
from resources.brokers.port import Batch, Broker
from resources.crashpoints import reached
from resources.errors import OrdersError, PermanentError, TransientError
from resources.segments import Landing, Messages, Segment

SEGMENT_BYTES = 16 * 1024 * 1024
_FULL_ENOUGH = 0.75
_MOST_BATCHES = 64
_AHEAD_S = 0.05


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
    lease = landing_lease(landing, broker.feed)
    if not take_turn(lease, timeout_s):
        return Landed(0, 0, 0)
    try:
        positions = landed_positions(landing, broker.feed)
        broker.resume(positions)
        there = broker.watermarks()
        missing = {p: last for p, last in there.items() if last > positions.get(p, -1)}
        # A queue sends no more than so many before it is told: several batches at once would be all of them.
        pipe = _Pipe(broker, landing, segment_bytes, 1 if len(there) == 1 else _MOST_BATCHES, on_segment)
        with ThreadPoolExecutor(1, "segments") as thread:
            pipe.drain(thread, missing, timeout_s)
        if lines := broker.stopped():
            raise PermanentError("; ".join(lines))
    finally:
        lease.release()
    return Landed(pipe.messages, pipe.segments, pipe.bytes)


@dataclass(slots=True)
class _Pipe:
    """Reads on while the segment before is written; all of the broker happens in the caller's thread."""

    broker: Broker
    landing: Landing
    segment_bytes: int
    most_batches: int
    on_segment: Callable[[Segment], None] | None
    messages: int = 0
    segments: int = 0
    bytes: int = 0
    _batches: list[Batch] = field(default_factory=list)
    _writing: Future[Segment | None] | None = None

    def drain(self, thread: ThreadPoolExecutor, missing: dict[str, int], timeout_s: float) -> None:
        """Land until nothing is missing, which this keeps up to date, or nothing comes for `timeout_s`."""
        while missing:
            # A queue may send nothing more before it has heard of what is being written.
            wait_s = timeout_s if self._writing is None else min(timeout_s, _AHEAD_S)
            batches = self._read(missing, wait_s)
            if not batches and self._writing is None:
                return
            self._settle()
            if batches:
                # What is logged there names the run, as here.
                self._batches = batches
                self._writing = thread.submit(copy_context().run, self._append, batches)
        self._settle()

    def _read(self, missing: dict[str, int], timeout_s: float) -> list[Batch]:
        """Return what one segment takes: the first batch is waited for, the others are there already."""
        found: list[Batch] = []
        size = 0
        while missing and size <= self.segment_bytes * _FULL_ENOUGH and len(found) < self.most_batches:
            wait_s = 0.0 if found else timeout_s
            batch = self.broker.poll(max_bytes=self.segment_bytes - size, timeout_s=wait_s)
            if batch is None:
                break
            found.append(batch)
            size += batch.bodies.nbytes
            if batch.through >= missing.get(batch.partition, batch.through + 1):
                del missing[batch.partition]
        return found

    def _append(self, batches: Sequence[Batch]) -> Segment | None:
        parts = [messages_of(batch) for batch in batches if len(batch.positions)]
        return self.landing.append_all(self.broker.feed, parts) if parts else None

    def _settle(self) -> None:
        """Wait for the segment that is being written, and tell the broker."""
        if self._writing is None:
            return
        segment = self._writing.result()
        self._writing = None
        if segment is not None:
            self.messages += segment.rows
            self.segments += 1
            self.bytes += segment.bytes
            if self.on_segment is not None:
                self.on_segment(segment)
        for batch in self._batches:
            reached("land.before_acknowledge")
            self.broker.acknowledge(batch)
            reached("land.acknowledged")


@dataclass(frozen=True, slots=True)
class LandedFeeds:
    """What was taken from several feeds, and one clear line for each that failed."""

    messages: int
    segments: int
    failures: tuple[str, ...]


def land_feeds(
    brokers: Iterable[Broker],
    landing: Landing,
    *,
    timeout_s: float = 60.0,
    attempts: int = 1,
    on_segment: Callable[[Segment], None] | None = None,
) -> LandedFeeds:
    """Land each feed, also when another one fails; a passing failure is tried `attempts` times."""
    landed: list[Segment] = []

    def note(segment: Segment) -> None:
        landed.append(segment)
        if on_segment is not None:
            on_segment(segment)

    failures = []
    for broker in brokers:
        work = partial(land, broker, landing, timeout_s=timeout_s, on_segment=note)
        error = _failure_of(work, attempts)
        if error is not None:
            failures.append(str(error))
    return LandedFeeds(sum(segment.rows for segment in landed), len(landed), tuple(failures))


def _failure_of(work: Callable[[], object], attempts: int) -> OrdersError | None:
    """Work, after a failure that may pass again after about 2, 4, … s; return the last failure."""
    failure: OrdersError | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(2.0**attempt * random.uniform(0.75, 1.25))
        try:
            work()
        except PermanentError as error:
            return error
        except TransientError as error:
            failure = error
        else:
            return None
    return failure


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
