"""Loading in the stream: at once when something has landed, under backlog 300 to 500 ms at a time."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from assets.orders.load import Loaded, load
from orchestration.stream.state import Pauses, State, in_thread, pause
from resources.errors import TransientError
from resources.segments import Landing
from resources.warehouse.kept import KeptWarehouse

_SHORT_S = 0.3
_LONG_S = 0.5
# A load costs a tenth of a second or more however small it is: smaller ones only lose ground to the backlog.
_LEAST_ROWS = 5_000
# Two batches are in memory, one loaded and one prepared: some 5 MB for each 1,000 messages.
_MOST_ROWS = 10_000
_LEAST_BYTES = 256 * 1024
_MOST_BYTES = 8 * 1024 * 1024
# Publishing, others that want the lease, and a signal to stop wait for one call at most.
_BATCHES_A_CALL = 4
_CALL_S = 1.5
_WAIT_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pace:
    """How many messages a load takes under backlog: what it settles in 300 to 500 ms, 5,000 to 10,000."""

    rows: int = _LEAST_ROWS
    bytes_per_row: float = 1_000.0

    @property
    def bytes(self) -> int:
        """The bytes of bodies that go with the rows."""
        return int(min(max(self.rows * self.bytes_per_row, _LEAST_BYTES), _MOST_BYTES))

    def learn(self, rows: int, seconds: float) -> None:
        """Adapt to a load of `rows` messages that took so long."""
        if seconds > _LONG_S and rows > _LEAST_ROWS:
            self.rows = max(_LEAST_ROWS, int(min(rows, self.rows) * 0.7))
        elif seconds < _SHORT_S and rows >= 0.7 * self.rows:
            self.rows = min(_MOST_ROWS, int(self.rows * 1.5))


@dataclass(slots=True)
class LoadTask:
    """Loads what has landed until the feeds have ended and nothing is left, or time is up."""

    warehouse: KeptWarehouse
    landing: Landing
    state: State
    max_bytes: int
    pace: Pace = field(default_factory=Pace)
    _pauses: Pauses = field(default_factory=Pauses)
    _seen: int = 0
    _asked: int = _BATCHES_A_CALL
    _loaded: Loaded = field(default_factory=Loaded)

    async def run(self) -> None:
        """Load; a warehouse that is held by others gets growing pauses, a broken one ends the stream."""
        self.state.segment_bytes = self.pace.bytes
        with ThreadPoolExecutor(1, "load") as thread:
            self.state.landed.set()
            while not await self._is_over():
                self.state.landed.clear()
                try:
                    await self._once(thread)
                except TransientError as error:
                    await self._wait(error)
                    continue
                self._goes_on()
        self.state.loads_ended.set()

    async def _once(self, thread: ThreadPoolExecutor) -> None:
        self.state.load_ends_at = time.monotonic() + self.state.load_s
        self.state.between_loads.clear()
        try:
            await in_thread(thread, self._load)
        finally:
            self.state.between_loads.set()
            # Also of a call that failed: its batches before that are committed.
            self._note()

    async def _is_over(self) -> bool:
        """Wait for something to load; tell whether nothing will come any more."""
        while not await pause(self.state.landed, _WAIT_S):
            if self.state.feeds_ended.is_set():
                return not self.state.landed.is_set()
            if self._changed_at() != self._seen:
                # Others land, too: decisions on dead letters, daily files.
                return False
        return False

    def _changed_at(self) -> int:
        root = self.landing.root
        return root.stat().st_mtime_ns if root.exists() else 0

    def _load(self) -> None:
        started = time.monotonic()
        self._seen = self._changed_at()
        self._loaded = Loaded()
        self._asked = max(1, min(_BATCHES_A_CALL, int(_CALL_S / max(self.state.load_s, _SHORT_S))))
        loaded = load(
            self.warehouse,
            self.landing,
            max_bytes=self.max_bytes,
            batch_rows=self.pace.rows,
            batch_bytes=self.pace.bytes,
            most_batches=self._asked,
            on_batch=self._keep,
        )
        if loaded.batches:
            seconds = (time.monotonic() - started) / loaded.batches
            self.state.load_s = seconds
            self.pace.learn(loaded.messages // loaded.batches, seconds)

    def _keep(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def _note(self) -> None:
        state, loaded = self.state, self._loaded
        if loaded.batches == 0:
            return
        state.segment_bytes = self.pace.bytes
        state.loaded += loaded.messages
        state.loaded_at = state.clock.now()
        state.notes.loaded += loaded.messages
        state.notes.accepted += loaded.accepted
        state.notes.duplicates += loaded.duplicates
        state.notes.rejected += loaded.rejected
        state.dirty.set()
        if loaded.batches >= self._asked:
            state.landed.set()

    def _goes_on(self) -> None:
        if self._pauses.attempts:
            self.state.reason = ""
            _log.warning("loading goes on")
        self._pauses.over()

    async def _wait(self, error: TransientError) -> None:
        wait_s = self._pauses.next()
        self.state.reason = f"loading waits: {error}"
        _log.warning("%s; trying again in %.1f s", self.state.reason, wait_s)
        await pause(self.state.stop, wait_s)
        if self.state.stop.is_set():
            # What has landed is safe, and the next load begins with it.
            await asyncio.sleep(min(wait_s, _WAIT_S))
        self.state.landed.set()
