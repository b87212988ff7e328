"""What Dagster hears of the stream: runless events, at most one per asset in 30 s, beside everything else.

A thread of its own talks to Dagster, which may be slow, locked or gone: what it could not be told is added to
what comes next, and counted. Nothing waits for it, the end of the process neither.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.contract.tables import TABLES
from assets.reports.refresh import DAILY_REPORTS
from orchestration.stream.state import FeedState, Notes, State, pause

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.settings import Settings
    from resources.warehouse.warehouse import Warehouse

EVERY_S: Final = 30.0
_FIRST_S: Final = 5.0
_LAST_S: Final = 2.0
LOAD_TABLES: Final = (
    "order_events",
    "rejected_messages",
    "orders",
    "order_lines",
    "customers",
    "message_ledger",
    "order_anomalies",
)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TellTask:
    """Tells Dagster every `every_s` seconds what happened since it heard something last."""

    settings: "Settings"
    warehouse: "Warehouse"
    state: State
    every_s: float = EVERY_S
    _is_failing: bool = False
    _under_way: "Future[None] | None" = None
    _in_hand: Notes = field(default_factory=Notes)

    async def run(self) -> None:
        """Work until the loads have ended, and then tell the rest, for 2 s at most."""
        # Importing Dagster takes seconds of the processor, which the first orders shall not wait for.
        wait_s = min(_FIRST_S, self.every_s)
        while not await pause(self.state.loads_ended, wait_s):
            self._begin()
            wait_s = self.every_s
        if self._begin() and self._under_way is not None:
            await asyncio.wait([asyncio.wrap_future(self._under_way)], timeout=_LAST_S)

    def _begin(self) -> bool:
        """Start to tell, unless the last attempt has still not ended."""
        if self._under_way is not None:
            if not self._under_way.done():
                self.state.untold += 1
                return False
            self._end(self._under_way)
        self._in_hand, self.state.notes = self.state.notes, Notes()
        feeds = [FeedState(f.feed, f.state, f.reason, f.lag) for f in self.state.feeds.values()]
        self._under_way = _in_daemon(partial(self._tell, self._in_hand, feeds))
        return True

    def _end(self, attempt: "Future[None]") -> None:
        error = attempt.exception()
        if error is None:
            if self._is_failing:
                _log.warning("Dagster answers again, and has been told")
            self._is_failing = False
            return
        self.state.notes.add(self._in_hand)
        self.state.untold += 1
        if not self._is_failing:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            _log.warning("Dagster could not be told (%s): ingestion goes on, it hears of it later", line)
        self._is_failing = True

    def _tell(self, notes: Notes, feeds: list[FeedState]) -> None:
        from orchestration.instance import open_instance

        with open_instance(self.settings) as instance:
            for event in self._events(notes, feeds):
                instance.report_runless_asset_event(event)

    def _events(
        self, notes: Notes, feeds: list[FeedState]
    ) -> "Iterator[dg.AssetMaterialization | dg.AssetObservation]":
        import dagster as dg

        for feed in feeds:
            told: dict[str, int | str] = {"lag": feed.lag, "state": feed.state, "reason": feed.reason}
            yield dg.AssetObservation(["feeds", feed.feed], metadata=told)
        mode = {"orders/mode": "stream"}
        if notes.landed:
            numbers = {"messages landed": notes.landed, "segments": notes.segments}
            yield dg.AssetMaterialization("order_messages", metadata=numbers, tags=mode)
        rows = self._rows() if notes.published else {}
        for name, numbers in _changed(notes):
            counted = {"dagster/row_count": rows[name]} if name in rows else {}
            yield dg.AssetMaterialization(name, metadata={**numbers, **counted}, tags=mode)
        if notes.published:
            totals = {"dagster/row_count": sum(rows.values()), "copies": notes.published}
            yield dg.AssetMaterialization("published_copy", metadata=totals, tags=mode)

    def _rows(self) -> dict[str, int]:
        from resources.warehouse.publish import open_copy

        with open_copy(self.warehouse) as connection:
            return {name: int(connection.table(name).count("*").fetchall()[0][0]) for name in TABLES}


def _changed(notes: Notes) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each table that changed, with what to tell of it."""
    settled = {
        "messages loaded": notes.loaded,
        "accepted": notes.accepted,
        "duplicates": notes.duplicates,
        "rejected": notes.rejected,
    }
    for name in LOAD_TABLES if notes.loaded else ():
        yield name, settled
    for name in DAILY_REPORTS if notes.days else ():
        yield name, {"days refreshed": notes.days}
    if notes.values:
        yield "customer_value", {"customers": notes.values}


def _in_daemon(work: Callable[[], None]) -> "Future[None]":
    """Run a function in a daemon thread: not even the end of the process waits for it."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
            future.set_result(None)
        except BaseException as error:  # noqa: BLE001 - Dagster may fail in any way, and nothing depends on it
            future.set_exception(error)

    threading.Thread(target=run, name="dagster", daemon=True).start()
    return future
