"""The readers' copy and merged segments in the stream, at a pace that costs little.

Publishing holds the loads up for its checkpoint, and copies beside them. Each is repeated only after a
multiple of the time it took.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import duckdb

from assets.orders.compaction import merge_small_segments
from orchestration.stream.state import State, in_thread, pause
from resources.errors import OrdersError
from resources.segments import Landing
from resources.warehouse.kept import KeptWarehouse
from resources.warehouse.publish import publish

_T = TypeVar("_T")
_MERGES = 6
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """When something is due again: after `share` times the time that it took, within two limits."""

    least_s: float
    share: float
    most_s: float
    due_at: float = 0.0

    def is_due(self) -> bool:
        """Tell whether it is time."""
        return time.monotonic() >= self.due_at

    def took(self, seconds: float) -> None:
        """Note how long it took just now."""
        wait_s = min(max(self.least_s, self.share * seconds), self.most_s)
        self.due_at = time.monotonic() + wait_s


@dataclass(slots=True)
class CopyTask:
    """Publishes while the stream runs, and once more at its end.

    A failure costs freshness only: it is told and tried again, and the loads go on.
    """

    warehouse: KeptWarehouse
    state: State
    _publishing: Turn = field(default_factory=lambda: Turn(1.0, 9.0, 2.0))

    async def run(self) -> None:
        """Work until loads and reports have ended; the last copy then holds all of them."""
        if self.warehouse.exists():
            # A stream that was killed may have left the copy behind.
            self.state.dirty.set()
        with ThreadPoolExecutor(1, "publish") as thread:
            while not self.state.loads_ended.is_set():
                await pause(self.state.dirty, 0.5)
                if self.state.dirty.is_set() and self._publishing.is_due():
                    await self._publish(thread)
                await pause(self.state.loads_ended, 0.1)
            await self.state.reports_ended.wait()
            if self.state.dirty.is_set():
                await self._publish(thread)

    async def _publish(self, thread: ThreadPoolExecutor) -> None:
        self.state.dirty.clear()
        work = partial(publish, self.warehouse)
        if await tried(thread, work, self._publishing, "publishing") is None:
            self.state.dirty.set()
            return
        self.state.published_at = self.state.clock.now()
        self.state.notes.published += 1


@dataclass(slots=True)
class MergeTask:
    """Merges small segments while the stream runs; a failure costs files only."""

    warehouse: KeptWarehouse
    landing: Landing
    state: State
    # Most of the time that it takes it waits for a load to end.
    _merging: Turn = field(default_factory=lambda: Turn(4.0, 2.0, 60.0))

    async def run(self) -> None:
        """Work until the loads have ended."""
        with ThreadPoolExecutor(1, "merge") as thread:
            while not await pause(self.state.loads_ended, 0.5):
                if self.state.stop.is_set() or self.state.is_disk_full or not self._merging.is_due():
                    continue
                work = partial(merge_small_segments, self.warehouse, self.landing, most=_MERGES)
                gone = await tried(thread, work, self._merging, "merging segments") or 0
                self.state.merged += gone
                self.state.notes.merged += gone


async def tried(thread: ThreadPoolExecutor, work: Callable[[], _T], turn: Turn, what: str) -> _T | None:
    """Do something that may fail, which is told; return None then."""
    started = time.monotonic()
    try:
        return await in_thread(thread, work)
    except (OrdersError, duckdb.Error, OSError) as error:
        _log.warning("%s failed and is tried again: %s", what, str(error).splitlines()[0])
        return None
    finally:
        turn.took(time.monotonic() - started)
