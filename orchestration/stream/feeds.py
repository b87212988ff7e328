"""One feed of the stream: polling, landing and acknowledging overlap, with bounded memory between them.

Everything of the broker happens in one thread of its own. Batches wait in a buffer that is bounded in bytes;
when it is full nothing is polled, and the broker hears a heartbeat. A batch is acknowledged after the
fsync of its segment.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from assets.landing.land import landed_positions, messages_of
from assets.landing.turns import Questions, landing_lease
from orchestration.stream.state import FeedState, Pauses, State, in_thread, pause
from resources.brokers.port import Batch, Broker
from resources.crashpoints import reached
from resources.errors import OrdersError, PermanentError, TransientError
from resources.leases import Lease
from resources.segments import Landing

BUFFER_BYTES = 8 * 1024 * 1024
"""What one feed may hold in memory between polling and landing; one message may be larger."""
_LEAST_POLL_BYTES = 256 * 1024
_POLL_S = 0.1
_IDLE_S = 0.03
_PACE_S = 0.015
_LINGER_S = 0.05
_LINGER_LOADING_S = 0.12
_LONGEST_LINGER_S = 0.2
_LAND_S = 0.03
_LOOK_S = 0.02
_MOST_BATCHES = 64
_KEEP_ALIVE_S = 1.0
_ASK_S = 0.25
_LAG_S = 5.0
_TELL_AGAIN_S = 60.0
_STOPPED_PAUSE_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Buffer:
    """Batches between polling and landing, in order."""

    batches: deque[Batch] = field(default_factory=deque)
    bytes: int = 0
    is_closed: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, found: Sequence[Batch]) -> None:
        """Add batches."""
        self.batches.extend(found)
        self.bytes += sum(size_of(batch) for batch in found)
        self.changed.set()

    def take(self, most_bytes: int) -> list[Batch]:
        """Return the oldest batches of about `most_bytes`, at least one, and leave the others."""
        taken: list[Batch] = []
        size = 0
        while self.batches and (not taken or size + size_of(self.batches[0]) <= most_bytes):
            taken.append(self.batches.popleft())
            size += size_of(taken[-1])
        self.bytes -= size
        self.room.set()
        return taken

    def close(self) -> None:
        """Say that nothing more is added."""
        self.is_closed = True
        self.changed.set()
        self.room.set()


def size_of(batch: Batch) -> int:
    """Return the bytes that a batch holds in memory."""
    return int(
        sum(part.nbytes for part in (batch.positions, batch.bodies, batch.keys, batch.headers) if part)
    )


@dataclass(slots=True)
class FeedTask:
    """Runs one feed until the stream stops, through any number of sessions with its broker."""

    open_broker: Callable[[], Broker]
    landing: Landing
    state: State
    feed: FeedState
    _pauses: Pauses = field(default_factory=Pauses)

    async def run(self) -> None:
        """Keep trying: a broker that is down gets growing pauses, what needs a decision a long one."""
        with ThreadPoolExecutor(1, f"broker {self.feed.feed}") as thread:
            while not self.state.stop.is_set():
                try:
                    await self._session(thread)
                except PermanentError as error:
                    self._tell("stopped", f"feed {self.feed.feed} is stopped: {error}")
                    await pause(self.state.stop, _STOPPED_PAUSE_S)
                except (TransientError, OSError) as error:
                    wait_s = self._pauses.next()
                    self._tell("waiting", f"feed {self.feed.feed}: {error}; trying again in {wait_s:.1f} s")
                    await pause(self.state.stop, wait_s)

    async def _session(self, thread: ThreadPoolExecutor) -> None:
        lease = landing_lease(self.landing, self.feed.feed)
        if not await self._lease(lease):
            return
        broker = await in_thread(thread, self.open_broker)
        try:
            session = Session(broker, thread, self.landing, self.state, self.feed, Questions(lease))
            session.through = await in_thread(thread, landed_positions, self.landing, self.feed.feed)
            await in_thread(thread, broker.resume, session.through)
            await session.run(self._is_running)
        finally:
            try:
                await in_thread(thread, broker.close)
            finally:
                lease.release()

    def _is_running(self) -> None:
        if self.feed.state in ("waiting", "stopped"):
            _log.warning("feed %s is running again", self.feed.feed)
        self._pauses.over()
        self.feed.state, self.feed.reason = "running", ""

    async def _lease(self, lease: Lease) -> bool:
        while not lease.try_acquire():
            holder = (
                f"feed {self.feed.feed} waits: {lease.what} is held by another process (lock {lease.path})"
            )
            if self.feed.reason != holder:
                self._tell("waiting", holder)
            if await pause(self.state.stop, _ASK_S):
                return False
        return True

    def _tell(self, state: str, line: str) -> None:
        self.feed.state, self.feed.reason = state, line
        _log.log(logging.ERROR if state == "stopped" else logging.WARNING, line)


@dataclass(slots=True)
class Session:
    """One connection to the broker, from `resume` to the first failure or the end.

    `through` is how far each partition has landed; `targets` are the watermarks of those who asked.
    """

    broker: Broker
    thread: ThreadPoolExecutor
    landing: Landing
    state: State
    feed: FeedState
    questions: Questions
    through: dict[str, int] = field(default_factory=dict)
    targets: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _buffer: Buffer = field(default_factory=Buffer)
    _to_acknowledge: deque[Batch] = field(default_factory=deque)
    _failure: OrdersError | OSError | None = None
    _asked_at: float = 0.0
    _lag_at: float = 0.0
    _told_at: float = 0.0
    _landed_at: float = 0.0

    async def run(self, on_running: Callable[[], None]) -> None:
        """Poll and land side by side; what was polled is landed before a failure is raised."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._consume(on_running))
            tasks.create_task(self._land())
        if not isinstance(self._failure, PermanentError):
            with suppress(OrdersError, OSError):
                # After a failure this may well fail, too: then they come again, and are recognised.
                await in_thread(self.thread, self._acknowledge)
        if self._failure is not None:
            raise self._failure

    async def _consume(self, on_running: Callable[[], None]) -> None:
        try:
            while not (self.state.stop.is_set() or self._buffer.is_closed):
                await self._once()
                if self.feed.state not in ("running", "paused"):
                    on_running()
        except (OrdersError, OSError) as error:
            self._failure = self._failure or error
        finally:
            self._buffer.close()

    async def _once(self) -> None:
        await self._look_around()
        self._buffer.room.clear()
        if self._is_paused():
            await in_thread(self.thread, self._keep_alive)
            await pause(self._buffer.room, _KEEP_ALIVE_S)
            return
        started = time.monotonic()
        room = max(BUFFER_BYTES - self._buffer.bytes, _LEAST_POLL_BYTES)
        found = await in_thread(self.thread, self._take, min(room, self.state.segment_bytes))
        if found:
            self._buffer.put(found)
            if self._buffer.bytes < _LEAST_POLL_BYTES:
                # Nothing is landed meanwhile: many small batches cost more than a few.
                await pause(self.state.stop, _PACE_S)
        elif time.monotonic() - started < _IDLE_S:
            # A folder does not wait by itself.
            await pause(self.state.stop, _IDLE_S)

    def _is_paused(self) -> bool:
        if self.state.is_disk_full:
            self.feed.state, self.feed.reason = "paused", self.state.reason
            return True
        if self._buffer.bytes >= BUFFER_BYTES:
            self.feed.state, self.feed.reason = "paused", "what was read is being landed"
            return True
        if self.feed.state == "paused":
            self.feed.state, self.feed.reason = "running", ""
        return False

    def _keep_alive(self) -> None:
        self._acknowledge()
        self.broker.keep_alive()

    def _take(self, most_bytes: int) -> list[Batch]:
        """Acknowledge what has landed and return what is there; in the broker's thread."""
        self._acknowledge()
        found: list[Batch] = []
        size, wait_s = 0, _POLL_S
        while size < most_bytes and len(found) < _MOST_BATCHES:
            batch = self.broker.poll(max_bytes=most_bytes - size, timeout_s=wait_s)
            if batch is None:
                break
            found.append(batch)
            size, wait_s = size + size_of(batch), 0.0
        return found

    def _acknowledge(self) -> None:
        while self._to_acknowledge:
            batch = self._to_acknowledge.popleft()
            reached("land.before_acknowledge")
            self.broker.acknowledge(batch)
            reached("land.acknowledged")

    async def _look_around(self) -> None:
        """Answer those who wait for this feed, ask for the lag, tell of partitions that wait."""
        now = time.monotonic()
        if now - self._asked_at >= _ASK_S:
            self._asked_at = now
            for question in self.questions.open() - self.targets.keys():
                self.targets[question] = await in_thread(self.thread, self.broker.watermarks)
            self._answer()
        if now - self._lag_at >= _LAG_S:
            self._lag_at = now
            self.feed.lag = await in_thread(self.thread, self.broker.backlog)
        if now - self._told_at >= _TELL_AGAIN_S and (lines := self.broker.stopped()):
            self._told_at = now
            self.feed.reason = "; ".join(lines)
            for line in lines:
                _log.error(line)

    def _answer(self) -> None:
        for question, target in list(self.targets.items()):
            if all(self.through.get(partition, -1) >= last for partition, last in target.items()):
                self.questions.answer(question)
                del self.targets[question]

    async def _land(self) -> None:
        with ThreadPoolExecutor(1, f"land {self.feed.feed}") as thread:
            await self._land_in(thread)

    async def _land_in(self, thread: ThreadPoolExecutor) -> None:
        buffer = self._buffer
        try:
            while buffer.batches or not buffer.is_closed:
                if not buffer.batches:
                    buffer.changed.clear()
                    await buffer.changed.wait()
                    continue
                while not self._is_enough() and (wait_s := self._linger_s()) > 0:
                    await self._wait(min(wait_s, _LOOK_S))
                self._landed_at = time.monotonic()
                batches = buffer.take(self.state.segment_bytes)
                landed = await in_thread(thread, self._append, batches)
                self._note(batches, landed)
        except OrdersError as error:
            self._failure = error
            buffer.close()

    async def _wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of a load."""
        if self.state.between_loads.is_set():
            await asyncio.sleep(seconds)
        else:
            await pause(self.state.between_loads, seconds)

    def _is_enough(self) -> bool:
        return self._buffer.is_closed or self._buffer.bytes >= self.state.segment_bytes

    def _linger_s(self) -> float:
        """Return how long landing waits for more: a little patience makes fewer and larger segments.

        During a load it costs nothing, if it ends just before the load does. But a queue delivers no more
        than its prefetch until that is landed.
        """
        now = time.monotonic()
        if self.state.between_loads.is_set():
            return self._landed_at + _LINGER_S - now
        latest = min(self.state.load_ends_at - _LAND_S, self._landed_at + _LONGEST_LINGER_S)
        return max(latest, self._landed_at + _LINGER_LOADING_S) - now

    def _append(self, batches: Sequence[Batch]) -> int:
        parts = [messages_of(batch) for batch in batches if len(batch.positions)]
        try:
            return self.landing.append_all(self.feed.feed, parts).rows if parts else 0
        except OSError as error:
            raise TransientError(f"a segment cannot be written to {self.landing.root} ({error})") from error

    def _note(self, batches: Sequence[Batch], landed: int) -> None:
        for batch in batches:
            self.through[batch.partition] = max(self.through.get(batch.partition, -1), batch.through)
        self._to_acknowledge.extend(batches)
        self._answer()
        if landed:
            self.feed.landed += landed
            self.feed.landed_at = self.state.clock.now()
            self.state.notes.landed += landed
            self.state.notes.segments += 1
            self.state.landed.set()
