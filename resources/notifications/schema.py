"""The outbox's tables, and how its database file is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from resources.errors import PermanentError, TransientError

_BUSY_TIMEOUT_MS = 10_000


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment, kept naive in the table; SQLite's text form sorts as time does."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store the moment as naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read the moment as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData()

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_key", sa.Text, nullable=False, unique=True),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("matched", sa.Boolean, nullable=True),  # null: not decided yet
)
sa.Index("events_undecided", events.c.seq, sqlite_where=events.c.matched.is_(None))

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
    sa.Column("event_key", sa.ForeignKey("events.event_key"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("leased_until", UtcDateTime, nullable=True),
    sa.Column("settled_at", UtcDateTime, nullable=True),
    sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="delivery_state"),
)
sa.Index("deliveries_due", deliveries.c.channel, deliveries.c.state, deliveries.c.due_at)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("deliveries.delivery_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("outcome", sa.Text, nullable=True),  # null: it runs, or its process died
    sa.Column("error", sa.Text, nullable=True),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


class Database:
    """One SQLite file in WAL mode: many readers, writers one after the other, durable at commit."""

    def __init__(self, location: str | Path) -> None:
        """Open `location`, a path or `sqlite:///path`; raise PermanentError for anything else."""
        url = _sqlite_url(location)
        self.name = str(url.database)
        Path(self.name).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(url)
        sa.event.listen(self._engine, "connect", _on_connect)
        sa.event.listen(self._engine, "begin", _on_begin)
        self._reading = self._engine.execution_options(reading=True)

    def create(self) -> None:
        """Create what is missing; safe when several processes do so at once."""
        with self.writing() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in sorted(table.indexes, key=lambda i: str(i.name)):
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open the one write transaction; TransientError after 10 s of waiting for another."""
        with self._mapped_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a consistent snapshot that waits for nobody."""
        with self._mapped_errors(), self._reading.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise TransientError(
                f"the outbox {self.name} cannot be used now ({error.orig}); "
                "see that its disk has room and is writable, then try again"
            ) from error
        except DatabaseError as error:
            raise PermanentError(
                f"the outbox {self.name} is broken ({error.orig}); move the file aside"
            ) from error


def _sqlite_url(location: str | Path) -> sa.URL:
    if isinstance(location, Path) or "://" not in location:
        return sa.URL.create("sqlite", database=str(location))
    try:
        url = sa.make_url(location)
    except ArgumentError as error:
        raise PermanentError("the outbox URL cannot be read; write sqlite:///path") from error
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        shown = url.render_as_string(hide_password=True)
        raise PermanentError(f"the outbox must be a SQLite file, not {shown}; write sqlite:///path")
    return url


def _on_connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
