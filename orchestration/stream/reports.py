"""Reports in the stream: those of touched days are recomputed beside the loads, in transactions of their own.

A report of many orders is made in parts, with a rest after each as long as the part took: loads and the
readers' copy go on meanwhile. Each is repeated only after a multiple of the time it took.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from assets.reports.refresh import DAILY_REPORTS, refresh_customer_value, refresh_days, take_off, touched
from orchestration.stream.copies import Turn, tried
from orchestration.stream.state import State, pause
from resources.warehouse.kept import Beside, KeptWarehouse

_T = TypeVar("_T")
_LOOK_S = 0.5
_LONGEST_REST_S = 1.0


class _GivenUpError(Exception):
    """The report stays as it was, and its days stay on the list."""


@dataclass(slots=True)
class _Rest:
    """Waits as long as the work before it took; gives up for a stop, or for who wants the warehouse."""

    warehouse: KeptWarehouse
    state: State
    _since: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if self.state.stop.is_set() or self.warehouse.is_wanted():
            raise _GivenUpError
        time.sleep(min(time.monotonic() - self._since, _LONGEST_REST_S))
        self._since = time.monotonic()


@dataclass(slots=True)
class ReportTask:
    """Refreshes reports while the stream runs; what is left at its end the next stream, or a run, finds.

    A failure costs freshness only: it is told and tried again, and the loads go on.
    """

    warehouse: KeptWarehouse
    state: State
    _days: Turn = field(default_factory=lambda: Turn(10.0, 4.0, 600.0))
    _values: Turn = field(default_factory=lambda: Turn(60.0, 9.0, 3_600.0))
    _loaded_before_days: int = -1
    _loaded_before_values: int = 0

    async def run(self) -> None:
        """Work until the stream stops."""
        self._values.took(0.0)
        with ThreadPoolExecutor(1, "reports") as thread:
            while not await pause(self.state.stop, _LOOK_S) and not self.state.loads_ended.is_set():
                if self.warehouse.exists():
                    await self._once(thread)
        self.state.reports_ended.set()

    async def _once(self, thread: ThreadPoolExecutor) -> None:
        loaded = self.state.loaded
        if self._loaded_before_days < loaded and self._days.is_due():
            if await self._refresh_days(thread):
                self._loaded_before_days = loaded
        elif self._loaded_before_values < loaded and self._values.is_due():
            work = partial(refresh_customer_value, Beside.of(self.warehouse), rest=self._rest())
            if (rows := await self._tried(thread, work, self._values, "refreshing values")) is None:
                return
            self._loaded_before_values = loaded
            self.state.notes.values += rows
            self.state.dirty.set()

    async def _refresh_days(self, thread: ThreadPoolExecutor) -> bool:
        """Refresh the reports of touched days one by one; tell whether all are done."""
        beside, what = Beside.of(self.warehouse), "refreshing reports"
        found = await self._tried(thread, partial(touched, beside), self._days, what)
        if found is None or not found.days:
            return found is not None
        started = time.monotonic()
        for name in DAILY_REPORTS:
            work = partial(refresh_days, beside, found.days, (name,), rest=self._rest())
            if await self._tried(thread, work, self._days, what) is None:
                return False
            self.state.dirty.set()
        days = await self._tried(thread, partial(take_off, beside, found), self._days, what)
        self._days.took(time.monotonic() - started)
        self.state.notes.days += days or 0
        return days is not None

    def _rest(self) -> _Rest:
        return _Rest(self.warehouse, self.state)

    async def _tried(
        self, thread: ThreadPoolExecutor, work: Callable[[], _T], turn: Turn, what: str
    ) -> _T | None:
        """Do something that may fail, or be given up; return None then."""
        try:
            return await tried(thread, work, turn, what)
        except _GivenUpError:
            return None
