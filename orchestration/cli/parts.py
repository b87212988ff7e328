"""The parts of the platform that commands use, made from the settings; nothing is opened before its use."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.errors import TransientError

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import Settings
    from resources.brokers.port import Broker
    from resources.notifications.outbox import Outbox
    from resources.notifications.port import Channel
    from resources.segments import Landing
    from resources.warehouse.warehouse import Warehouse

_COPY_TIMEOUT_S = 5.0
_COPY_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Parts:
    """The broker, the landing folder, the warehouse and the outbox of one set of settings."""

    settings: "Settings"

    @contextmanager
    def brokers(self) -> "Iterator[Sequence[Broker]]":
        """Lend the brokers, one for each feed; raises PermanentError for a URL that is not understood."""
        from resources.brokers.urls import open_brokers

        urls = self.settings.broker_address().get_secret_value()
        with ExitStack() as stack:
            opened = open_brokers(urls, self.settings.broker_memory_dir)
            for broker in opened:
                stack.callback(broker.close)
            yield opened

    @contextmanager
    def broker(self) -> "Iterator[Broker]":
        """Lend the first of the brokers, to which `orders publish` publishes."""
        with self.brokers() as opened:
            yield opened[0]

    def landing(self) -> "Landing":
        """Return the landing folder."""
        from resources.segments import Landing

        return Landing(self.settings.landing_dir, lease_timeout_s=self.settings.lock_timeout_s)

    def warehouse(self) -> "Warehouse":
        """Return the warehouse."""
        from assets.orders.schema import DDL, SCHEMA_ID
        from resources.warehouse.warehouse import MEMORY_LIMIT, Warehouse

        return Warehouse(
            self.settings.warehouse_path,
            self.settings.published_dir,
            DDL,
            SCHEMA_ID,
            lease_timeout_s=self.settings.lock_timeout_s,
            memory_limit=self.settings.memory_limit or MEMORY_LIMIT,
        )

    def outbox(self) -> "Outbox":
        """Open the outbox; the caller closes it."""
        from resources.notifications.outbox import Outbox

        return Outbox(self.settings.state_address().get_secret_value())

    def file_channel(self) -> "Channel":
        """Return the channel that appends to the notifications file."""
        from resources.notifications.channels.file import FileChannel

        return FileChannel(self.settings.notifications_file)

    @contextmanager
    def reading(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """Lend a connection to the published copy, which reaches nothing outside of it.

        Waits shortly when the opening meets a publishing. Raises PermanentError when there is no copy
        yet, TransientError when it cannot be opened in that time.
        """
        with closing(_opened_copy(self.warehouse())) as connection:
            connection.execute("SET enable_external_access = false")
            yield connection


def parts() -> Parts:
    """Read the settings, set the logs up, and return the parts."""
    from orchestration import logs
    from orchestration.settings import read_settings

    settings = read_settings()
    logs.configure(log_format=settings.log_format, level=settings.log_level)
    return Parts(settings)


def _opened_copy(warehouse: "Warehouse") -> "duckdb.DuckDBPyConnection":
    import duckdb

    from resources.warehouse.publish import open_copy

    deadline = time.monotonic() + _COPY_TIMEOUT_S
    while True:
        try:
            before = warehouse.copy.stat().st_ino if warehouse.copy.exists() else None
            connection = open_copy(warehouse)
            # A copy that lost its name while it was opened may be the next one to be overwritten.
            if warehouse.copy.stat().st_ino == before:
                return connection
            connection.close()
            problem = "it was published anew each time"
        except (duckdb.IOException, FileNotFoundError) as error:
            problem = str(error).splitlines()[0]
        if time.monotonic() > deadline:
            raise TransientError(
                f"the published copy {warehouse.copy} could not be opened for {_COPY_TIMEOUT_S:g} s "
                f"({problem}): try again, or run `orders run`, which publishes it anew"
            )
        time.sleep(_COPY_PAUSE_S)
