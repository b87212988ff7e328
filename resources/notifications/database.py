"""The operational store as a database: a SQLite file by default, PostgreSQL by URL, used alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from resources.errors import OrdersError, PermanentError, TransientError
from resources.notifications import migrations

_BUSY_TIMEOUT_MS = 10_000
_POSTGRES = "postgresql+psycopg2"
_CONNECT = {
    "connect_timeout": 5,
    # A dispatcher that is stopped within a transaction must not hold the others up for ever.
    "options": "-c lock_timeout=10000 -c statement_timeout=30000 "
    "-c idle_in_transaction_session_timeout=30000 -c timezone=UTC",
}


class Database:
    """One SQLite file in WAL mode, or one PostgreSQL database; durable at commit.

    On SQLite writers come one after the other; on PostgreSQL those that say `alone` do.
    """

    def __init__(self, location: str | Path) -> None:
        """Name `location`: a path, `sqlite:///path` or `postgresql+psycopg2://…`; nothing is opened yet.

        Raises PermanentError for anything else.
        """
        url = _understood(location)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = str(url.database) if self.is_sqlite else url.render_as_string(hide_password=True)
        self._url = url
        self._engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        self._reading = self._engine.execution_options(reading=True)

    def __repr__(self) -> str:
        """Name it without its password."""
        return f"Database({self.name!r})"

    def create(self) -> None:
        """Create or migrate the tables; safe when several processes do so at once.

        Raises PermanentError when a newer version made them.
        """
        if self.is_sqlite:
            Path(self.name).parent.mkdir(parents=True, exist_ok=True)
        with self.writing(alone=True) as connection:
            migrations.migrate(connection, self.name)

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """Open a write transaction, one at a time where `alone`; TransientError after 10 s of waiting."""
        with self._mapped_errors(), self._engine.begin() as connection:
            if alone and not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a snapshot that waits for nobody."""
        with self._mapped_errors(), self._reading.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
        """Return the dialect's insert, for its ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise self._unusable(error) from error
        except DatabaseError as error:
            if error.connection_invalidated:
                raise self._unusable(error) from error
            way_out = "move the file aside" if self.is_sqlite else "see that it is the outbox's own database"
            raise PermanentError(
                f"the outbox {self.name} is broken ({_first_line(error)}); {way_out}"
            ) from error

    def _unusable(self, error: DatabaseError | InterfaceError) -> OrdersError:
        way_out = (
            "see that its disk has room and is writable"
            if self.is_sqlite
            else "see that the server runs and lets this user in (ORDERS_STATE_URL)"
        )
        return TransientError(
            f"the outbox {self.name} cannot be used now ({_first_line(error)}); {way_out}, then try again"
        )


_LOCK = 0x6F726465  # any number that others do not use


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _understood(location: str | Path) -> sa.URL:
    if isinstance(location, Path) or "://" not in location:
        return sa.URL.create("sqlite", database=str(location))
    try:
        url = sa.make_url(location)
    except ArgumentError:
        url = sa.URL.create("unreadable")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername == _POSTGRES and url.database:
        return url
    raise PermanentError(
        "the outbox URL cannot be used (ORDERS_STATE_URL): "
        f"write sqlite:///path or {_POSTGRES}://user:password@host:5432/database"
    )


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=4, max_overflow=60)
    sa.event.listen(engine, "connect", _on_sqlite_connect)
    sa.event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_size=4,
            max_overflow=60,
            pool_pre_ping=True,
            pool_timeout=10,
            connect_args=_CONNECT,
            # Notices are private: a failing statement is named without its values.
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise PermanentError(
            "the outbox on PostgreSQL needs psycopg2: install order-data-platform[postgres]"
        ) from error


def _on_sqlite_connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
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


def _on_sqlite_begin(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
