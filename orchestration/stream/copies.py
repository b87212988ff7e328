"""Reports, the readers' copy and merged segments in the stream, at a pace that costs little.

The reports of touched days are recomputed beside the loads, in transactions of their own; publishing holds
the loads up for its checkpoint, and copies beside them. Each is repeated only after a multiple of the time it
took.
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
from assets.reports.refresh import DAILY_REPORTS, refresh_customer_value, refresh_days, take_off, touched
from orchestration.stream.state import State, in_thread, pause
from resources.errors import OrdersError
from resources.segments import Landing
from resources.warehouse.kept import Beside, KeptWarehouse
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
    """Refreshes reports and publishes while the stream runs, and once more at its end.

    A failure costs freshness only: it is told and tried again, and the loads go on.
    """

    warehouse: KeptWarehouse
    state: State
    _publishing: Turn = field(default_factory=lambda: Turn(1.0, 9.0, 2.0))
    _reports: Turn = field(default_factory=lambda: Turn(10.0, 9.0, 600.0))
    _values: Turn = field(default_factory=lambda: Turn(60.0, 19.0, 3_600.0))
    _loaded_before_reports: int = -1
    _loaded_before_values: int = 0

    async def run(self) -> None:
        """Work until the loads have ended; the last copy then holds all of them."""
        self._values.took(0.0)
        if self.warehouse.exists():
            # A stream that was killed may have left the copy behind.
            self.state.dirty.set()
        with ThreadPoolExecutor(1, "publish") as thread:
            while not self.state.loads_ended.is_set():
                await pause(self.state.dirty, 0.5)
                await self._once(thread)
                await pause(self.state.loads_ended, 0.1)
            if self.state.dirty.is_set():
                await self._publish(thread)

    async def _once(self, thread: ThreadPoolExecutor) -> None:
        if self.state.dirty.is_set() and self._publishing.is_due():
            await self._publish(thread)
        if self.state.stop.is_set():
            # The next stream, or a run, finds the touched days.
            return
        loaded = self.state.loaded
        if self._loaded_before_reports < loaded and self._reports.is_due() and self.warehouse.exists():
            if await self._refresh_reports(thread):
                self._loaded_before_reports = loaded
        elif self._loaded_before_values < loaded and self._values.is_due():
            work = partial(refresh_customer_value, Beside.of(self.warehouse))
            if (rows := await tried(thread, work, self._values, "refreshing values")) is None:
                return
            self.state.dirty.set()
            self._loaded_before_values = loaded
            self.state.notes.values += rows

    async def _publish(self, thread: ThreadPoolExecutor) -> None:
        self.state.dirty.clear()
        work = partial(publish, self.warehouse)
        if await tried(thread, work, self._publishing, "publishing") is None:
            self.state.dirty.set()
            return
        self.state.published_at = self.state.clock.now()
        self.state.notes.published += 1

    async def _refresh_reports(self, thread: ThreadPoolExecutor) -> bool:
        """Refresh the reports of touched days, publishing between two of them; tell whether all are done."""
        beside, what = Beside.of(self.warehouse), "refreshing reports"
        found = await tried(thread, partial(touched, beside), self._reports, what)
        if found is None or not found.days:
            return found is not None
        seconds = 0.0
        for name in DAILY_REPORTS:
            started = time.monotonic()
            work = partial(refresh_days, beside, found.days, (name,))
            if self.state.stop.is_set() or await tried(thread, work, self._reports, what) is None:
                return False
            seconds += time.monotonic() - started
            self.state.dirty.set()
            # A report of a busy day takes seconds, for which the readers' copy must not wait.
            if self._publishing.is_due():
                await self._publish(thread)
        days = await tried(thread, partial(take_off, beside, found), self._reports, what)
        self._reports.took(seconds)
        self.state.notes.days += days or 0
        return days is not None


@dataclass(slots=True)
class MergeTask:
    """Merges small segments while the stream runs; a failure costs files only."""

    warehouse: KeptWarehouse
    landing: Landing
    state: State
    _merging: Turn = field(default_factory=lambda: Turn(2.0, 9.0, 60.0))

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
