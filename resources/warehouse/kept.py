"""The warehouse for a process that loads again and again: kept open between loads, given up when wanted.

Opening and closing costs about 55 ms, which a load of a few hundred messages would pay each time. So
connection and lease are kept, until somebody else waits for the lease or nothing was written for a while.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import duckdb

from resources.crashpoints import reached
from resources.leases import Lease
from resources.warehouse.warehouse import AUTOCHECKPOINT, Checkpointed, Warehouse

_IDLE_S = 1.0
# DuckDB 2.0 keeps some 30 bytes for each event written since it opened the file: see docs/adr/0016.
_FRESH_S = 30.0


@dataclass(slots=True)
class _Kept:
    """What is kept. `turn` is held by the one who writes or closes, `guests` have cursors beside it.

    `change` is held by a guest that writes, and while the file must not change; never take `turn` with it.
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    change: threading.Lock = field(default_factory=threading.Lock)
    guests_left: threading.Condition = field(default_factory=threading.Condition)
    guests: int = 0
    is_copied: bool = False
    is_closing: bool = False
    lease: Lease | None = None
    connection: duckdb.DuckDBPyConnection | None = None
    file: int | None = None
    used_at: float = 0.0
    opened_at: float = 0.0


@dataclass(frozen=True, slots=True)
class KeptWarehouse(Warehouse):
    """A warehouse that `writing` leaves open; call `give_way` now and then, and `close` at the end.

    Threads of this process may share it: they write one after another.
    """

    # It checkpoints after a few thousand rows, and pays for the rest of each group every time.
    row_group_rows: int = 10_240
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend the connection, opened when it is not; an error within the `with` closes it."""
        kept = self._kept
        with kept.turn:
            connection = self._opened()
            try:
                yield connection
            except BaseException:
                # A COMMIT that raised may be durable: only a new connection knows.
                self._shut()
                raise
            kept.used_at = time.monotonic()
            if kept.lease is not None and kept.lease.is_wanted():
                self._release()

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Keep the lease with the file closed: nobody opens it meanwhile."""
        with self._kept.turn:
            self._shut()
            self._take()
            yield

    @contextmanager
    def beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a second connection, whose transactions run beside the loads of this process.

        Loads and publishing go on meanwhile, and it writes within `changing_beside`; giving way waits for it.
        """
        kept = self._kept
        with kept.turn:
            cursor = self._opened().cursor()
            with kept.guests_left:
                kept.guests += 1
        try:
            self.look_inside(cursor)
            yield cursor
        finally:
            cursor.close()
            with kept.guests_left:
                kept.guests -= 1
                kept.guests_left.notify_all()

    @contextmanager
    def changing_beside(self) -> Iterator[None]:
        """Let a second connection write, and end its transaction, within the `with`: no checkpoint begins."""
        with self._kept.change:
            yield

    @contextmanager
    def checkpointed(self) -> Iterator[Checkpointed]:
        """Lend the file right after a checkpoint; loads go on meanwhile, into the log alone.

        Until the end nobody else opens the file and nothing is checkpointed: DuckDB writes what is new to
        the log, or to blocks that were free.
        """
        kept = self._kept
        with kept.turn:
            connection = self._opened()
            try:
                with kept.change:
                    self.checkpoint(connection)
                    cursor = self._fresh(connection).cursor()
                    cursor.execute("SET wal_autocheckpoint = '1TB'")
                    source = self._source()
            except duckdb.TransactionException:
                # Nothing happened: an older transaction still reads what was updated.
                raise
            except BaseException:
                self._shut()
                raise
            kept.is_copied = True
            with kept.guests_left:
                kept.guests += 1
        try:
            reached("publish.checkpointed")
            yield source
        finally:
            cursor.execute(f"SET wal_autocheckpoint = '{AUTOCHECKPOINT}'")
            cursor.close()
            kept.is_copied = False
            with kept.guests_left:
                kept.guests -= 1
                kept.guests_left.notify_all()

    def shorten_log(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the log into the file, unless it is being copied or an older transaction needs what it holds.

        Then publishing does so later.
        """
        if not self._kept.is_copied:
            with suppress(duckdb.TransactionException):
                connection.execute("CHECKPOINT")

    def _source(self) -> Checkpointed:
        # Closing any descriptor of the file takes DuckDB's lock away from this process: one is kept as long
        # as the connection.
        kept = self._kept
        if kept.file is None:
            kept.file = os.open(self.path, os.O_RDONLY)
        return Checkpointed.of(kept.file)

    def give_way(self) -> None:
        """Close and release when somebody waits for the lease or nothing was written for a second."""
        kept = self._kept
        if kept.guests or not kept.turn.acquire(blocking=False):
            return
        try:
            if kept.lease is None or not kept.lease.is_held:
                return
            if kept.lease.is_wanted() or time.monotonic() - kept.used_at > _IDLE_S:
                self._release()
        finally:
            kept.turn.release()

    def is_wanted(self) -> bool:
        """Tell whether another process waits for the lease, or whoever closes it for the guests to leave."""
        kept = self._kept
        return kept.is_closing or (kept.lease is not None and kept.lease.is_wanted())

    def close(self) -> None:
        """Close and release."""
        with self._kept.turn:
            self._release()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        kept = self._kept
        self._take()
        if kept.connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept.connection = self.connect()
            kept.opened_at = time.monotonic()
            try:
                self.prepare(kept.connection)
            except BaseException:
                self._shut()
                raise
        kept.used_at = time.monotonic()
        return kept.connection

    def _fresh(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """Return the connection, opened anew when it is old and nobody is beside it; there is no log now."""
        kept = self._kept
        if time.monotonic() - kept.opened_at < _FRESH_S or kept.guests:
            return connection
        self._shut()
        return self._opened()

    def _take(self) -> None:
        kept = self._kept
        if kept.lease is None:
            kept.lease = self.lease()
        if not kept.lease.is_held:
            kept.lease.acquire(self.lease_timeout_s)

    def _shut(self) -> None:
        kept = self._kept
        kept.is_closing = True
        with kept.guests_left:
            kept.guests_left.wait_for(lambda: kept.guests == 0)
        kept.is_closing = False
        if kept.connection is not None:
            kept.connection.close()
            kept.connection = None
        if kept.file is not None:
            os.close(kept.file)
            kept.file = None

    def _release(self) -> None:
        kept = self._kept
        self._shut()
        if kept.lease is not None and kept.lease.is_held:
            kept.lease.release()
            kept.lease.let_others()


@dataclass(frozen=True, slots=True)
class Beside(Warehouse):
    """The view of a kept warehouse whose `writing` runs beside its loads."""

    kept: KeptWarehouse | None = None

    @classmethod
    def of(cls, kept: KeptWarehouse) -> "Beside":
        """Return the view."""
        return cls(
            kept.path,
            kept.published,
            kept.ddl,
            kept.schema_id,
            kept.lease_timeout_s,
            kept.memory_limit,
            kept.threads,
            kept=kept,
        )

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection beside the one that loads."""
        assert self.kept is not None
        with self.kept.beside() as cursor:
            yield cursor

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Write, and end the transaction, within the `with`."""
        assert self.kept is not None
        with self.kept.changing_beside():
            yield
