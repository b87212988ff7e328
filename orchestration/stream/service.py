"""`orders stream`: the tasks together, from the first poll to the last copy."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.landing.health import write_health
from assets.orders.plan import demand_nothing_lost
from orchestration.stream.copies import CopyTask, MergeTask
from orchestration.stream.feeds import FeedTask
from orchestration.stream.loads import LoadTask
from orchestration.stream.reports import ReportTask
from orchestration.stream.state import FeedState, State, pause
from orchestration.stream.telling import TellTask
from resources.brokers.port import Broker
from resources.errors import OrdersError, PermanentError, TransientError
from resources.leases import held
from resources.memory import give_back_gaps
from resources.segments import Landing
from resources.warehouse.kept import KeptWarehouse

if TYPE_CHECKING:
    from orchestration.settings import Settings

DRAIN_S: Final = 9.0
"""A stream that was told to stop ends in this time, drained or not; what is stored is safe either way."""
# Loads of a few thousand messages need little, and what DuckDB has it fills with what it read last.
_MEMORY_LIMIT: Final = "80MB"
_HEALTH_S: Final = 1.0
_GAPS_S: Final = 2.0
_GIVE_WAY_S: Final = 0.1
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stream:
    """The stream of some settings; `state` may be looked at while it runs."""

    settings: "Settings"
    on_state: Callable[[State], None] = lambda state: None
    _landing: Landing = field(init=False)
    _warehouse: KeptWarehouse = field(init=False)

    def __post_init__(self) -> None:
        """Make the parts; nothing is opened or contacted yet."""
        from assets.orders.schema import DDL, SCHEMA_ID

        settings = self.settings
        self._landing = self._new_landing()
        self._warehouse = KeptWarehouse(
            settings.warehouse_path,
            settings.published_dir,
            DDL,
            SCHEMA_ID,
            settings.lock_timeout_s,
            settings.memory_limit or _MEMORY_LIMIT,
        )

    @property
    def warehouse(self) -> KeptWarehouse:
        """The warehouse that it keeps open."""
        return self._warehouse

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then land, load and publish what was taken, and end in under 10 s.

        Raises PermanentError when the warehouse or a URL is wrong, or when every feed was stopped.
        """
        feeds = [broker.feed for broker in self._open_brokers()]
        self._demand_nothing_lost()
        state = State({feed: FeedState(feed) for feed in feeds})
        self.on_state(state)
        restore = self._stop_at_signals(state)
        try:
            async with asyncio.TaskGroup() as tasks:
                for task in self._tasks(state):
                    tasks.create_task(task.run())
                tasks.create_task(self._feeds(state))
                tasks.create_task(self._watch(state))
        except* OrdersError as group:
            raise _first(group) from None
        finally:
            restore()
            self._warehouse.close()
            self.settings.health_file.unlink(missing_ok=True)
        stopped = [feed.reason for feed in state.feeds.values() if feed.state == "stopped"]
        if stopped:
            raise PermanentError("; ".join(stopped))

    def _tasks(self, state: State) -> "list[LoadTask | ReportTask | CopyTask | MergeTask | TellTask]":
        return [
            LoadTask(self._warehouse, self._new_landing(), state, self.settings.max_message_bytes),
            ReportTask(self._warehouse, state),
            CopyTask(self._warehouse, state),
            MergeTask(self._warehouse, self._new_landing(), state),
            TellTask(self.settings, state, self.settings.stream_tell_s),
        ]

    async def _feeds(self, state: State) -> None:
        async with asyncio.TaskGroup() as tasks:
            for feed in state.feeds.values():
                opened = partial(self._open_broker, feed.feed)
                tasks.create_task(FeedTask(opened, self._new_landing(), state, feed).run())
        state.feeds_ended.set()

    async def _watch(self, state: State) -> None:
        """Write the health, guard the disk, give the warehouse to those who wait for it, and memory back."""
        looked_at = gave_back_at = 0.0
        loop = asyncio.get_running_loop()
        while not state.loads_ended.is_set():
            await asyncio.to_thread(self._warehouse.give_way)
            if loop.time() - looked_at >= _HEALTH_S:
                looked_at = loop.time()
                await asyncio.to_thread(self._guard_disk, state)
                await asyncio.to_thread(write_health, self.settings.health_file, state.health())
            if loop.time() - gave_back_at >= _GAPS_S:
                gave_back_at = loop.time()
                await asyncio.to_thread(give_back_gaps)
            await pause(state.loads_ended, _GIVE_WAY_S)

    def _guard_disk(self, state: State) -> None:
        try:
            self._landing.guard_disk()
        except TransientError as error:
            if not state.is_disk_full:
                _log.error("consumption pauses: %s", error)
            state.is_disk_full, state.reason = True, str(error)
            return
        if state.is_disk_full:
            _log.warning("consumption goes on: the disk has room again")
            state.is_disk_full, state.reason = False, ""

    def _stop_at_signals(self, state: State) -> Callable[[], None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not state.stop.is_set():
                _log.warning("stopping: what was taken is landed, loaded and published")
                timer = threading.Timer(DRAIN_S, _give_up)
                timer.daemon = True
                timer.start()
            state.stop.set()

        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

        def restore() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

        return restore

    def _demand_nothing_lost(self) -> None:
        if self._warehouse.exists():
            with self._warehouse.writing() as connection:
                demand_nothing_lost(connection, self._landing)

    def _new_landing(self) -> Landing:
        """Return the landing folder for one thread: what it knows of the segments is its own."""
        return Landing(self.settings.landing_dir, lease_timeout_s=self.settings.lock_timeout_s)

    def _open_broker(self, feed: str) -> Broker:
        return next(broker for broker in self._open_brokers() if broker.feed == feed)

    def _open_brokers(self) -> list[Broker]:
        from resources.brokers.urls import open_brokers

        settings = self.settings
        return open_brokers(settings.broker_address().get_secret_value(), settings.broker_memory_dir)


def run_stream(settings: "Settings") -> None:
    """Run stream mode in this process until it is stopped."""
    with held(settings.root / "stream.lock", settings.lock_timeout_s, "stream mode (`orders stream`)"):
        asyncio.run(Stream(settings).run())


def _give_up() -> None:
    # Everything stored is safe against that, and the next stream goes on from there.
    _log.warning("not drained in %g s: what is left comes again, or is loaded next time", DRAIN_S)
    os._exit(0)


def _first(group: BaseExceptionGroup[OrdersError]) -> OrdersError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, OrdersError)
    return error
