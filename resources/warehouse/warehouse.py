"""The warehouse file: opened under a lease, for the length of a `with`, by one process at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from resources.crashpoints import reached
from resources.errors import PermanentError, TransientError
from resources.leases import Lease

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Keys are hashes, and another DuckDB may hash otherwise: what hash() makes of this is kept in the file.
_HASH_PROBE = "SELECT hash('orders', 1::BIGINT)::VARCHAR"
AUTOCHECKPOINT = "256MB"
"""How large DuckDB's log may become before a load pays for a checkpoint."""
ROW_GROUP_ROWS = 30_720
"""How many rows DuckDB compresses together: a checkpoint writes the last group of each table anew.

A large load holds a block for each column of each group in memory: fewer rows would cost more than they save.
"""
MEMORY_LIMIT = "192MB"
"""How much memory DuckDB takes, unless told otherwise."""
_LARGE_LOG = 96 * 1024 * 1024
_META = "CREATE TABLE IF NOT EXISTS store.meta (key VARCHAR, value VARCHAR)"


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The file right after a checkpoint, open for reading; the blocks in use within `size` do not change.

    `checksums` are those of its blocks at that moment, when nobody wrote.
    """

    descriptor: int
    size: int
    checksums: "npt.NDArray[np.uint64]"

    @classmethod
    def of(cls, descriptor: int) -> "Checkpointed":
        """Return it for an open file, to which nobody writes at this moment."""
        from resources.warehouse.blocks import checksums

        size = os.fstat(descriptor).st_size
        return cls(descriptor, size, checksums(descriptor, size))


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The DuckDB file at `path`, whose tables `ddl` makes on first opening.

    `published` is the folder of the read-only copies, `memory_limit` DuckDB's own (for example "256MB"),
    `row_group_rows` how many new rows it compresses together.
    """

    path: Path
    published: Path
    ddl: Sequence[str]
    schema_id: str
    lease_timeout_s: float = 60.0
    memory_limit: str = MEMORY_LIMIT
    threads: int | None = None
    row_group_rows: int = ROW_GROUP_ROWS

    @property
    def copy(self) -> Path:
        """The read-only copy that readers open."""
        return self.published / "orders.duckdb"

    @property
    def keys(self) -> Path:
        """The folder of the sorted runs of keys, which only repeat what the file holds."""
        return self.path.with_suffix(".keys")

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the lease and an open connection; the schema is there.

        Raises TransientError when another process holds the lease for longer than `lease_timeout_s`,
        PermanentError when the file cannot be opened or was written by an incompatible version.
        """
        with self.leased():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self.connect()
            try:
                self.prepare(connection)
                yield connection
            finally:
                connection.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For a transaction within `writing` that reads for long: write, and end it, within the `with`."""
        yield

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Hold the lease without opening the file: nobody else opens it meanwhile."""
        lease = self.lease()
        lease.acquire(self.lease_timeout_s)
        try:
            yield
        finally:
            lease.release()

    @contextmanager
    def checkpointed(self) -> Iterator["Checkpointed"]:
        """Write the log into the file, and lend it for reading: what it holds then stays as it is."""
        with self.leased():
            connection = self.connect()
            try:
                self.checkpoint(connection)
            finally:
                connection.close()
            reached("publish.checkpointed")
            with self.path.open("rb") as file:
                yield Checkpointed.of(file.fileno())

    def checkpoint(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the log into the file; only for a holder of the lease.

        Raises duckdb.TransactionException when rows were updated that an older transaction still reads.
        """
        reached("publish.before_checkpoint")
        connection.execute("CHECKPOINT")
        log = self.path.with_name(self.path.name + ".wal")
        if log.exists() and log.stat().st_size:
            raise PermanentError(f"{self.path} still has a write-ahead log after its checkpoint: rerun")

    def shorten_log(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write a log that has become large into the file; only for a holder of the lease."""
        connection.execute("CHECKPOINT")

    def lease(self) -> Lease:
        """Return the lease, which is not taken yet."""
        return Lease(self.path.with_suffix(".lock"), f"the warehouse {self.path}")

    def exists(self) -> bool:
        """Tell whether anything has been loaded yet."""
        return self.path.exists()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the file; only for a holder of the lease."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._memory_to_open(),
            # Nothing reads the rows of a load by their order, and keeping it slows the largest inserts.
            "preserve_insertion_order": False,
            "temp_directory": str(self.path.with_suffix(".tmp")),
        }
        if self.threads is not None:
            config["threads"] = self.threads
        connection = duckdb.connect(config=config)
        try:
            path = str(self.path).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS warehouse (ROW_GROUP_SIZE {self.row_group_rows})")
            self.look_inside(connection)
        except duckdb.IOException as error:
            connection.close()
            if "lock" in str(error).lower():
                raise TransientError(
                    f"{self.path} is open in another program ({_first_line(error)}): close it, then rerun; "
                    f"read {self.copy} instead"
                ) from error
            raise self._unreadable(error) from error
        except duckdb.Error as error:
            connection.close()
            raise self._unreadable(error) from error
        # A load must not pay for history: checkpoints happen when publishing.
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(f"SET wal_autocheckpoint = '{AUTOCHECKPOINT}'")
        return connection

    def look_inside(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a connection, or a second one beside it, name the tables without the file, and tell UTC."""
        connection.execute("USE warehouse")
        connection.execute("SET TimeZone = 'UTC'")

    def _memory_to_open(self) -> str:
        # Replaying a log needs the room of its largest value, which a dead letter of any size may be.
        log = self.path.with_name(self.path.name + ".wal")
        size = log.stat().st_size if log.exists() else 0
        return self.memory_limit if size < _LARGE_LOG else f"{4 * size // 1024**2 + 256}MiB"

    def _unreadable(self, error: duckdb.Error) -> PermanentError:
        return PermanentError(
            f"{self.path} cannot be opened ({_first_line(error)}): "
            "run `orders rebuild`, which moves it aside and rebuilds it from the landing folder"
        )

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the schema, or see that it is ours; only for a holder of the lease."""
        probe = connection.execute(_HASH_PROBE).fetchone()
        assert probe is not None
        known = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'store' AND table_name = 'meta'"
        ).fetchone()
        if known == (0,):
            with transaction(connection):
                connection.execute("CREATE SCHEMA IF NOT EXISTS store")
                connection.execute(_META)
                for statement in self.ddl:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO store.meta VALUES ('hash', ?), ('schema', ?)", [probe[0], self.schema_id]
                )
            return
        stored = dict(connection.execute("SELECT key, value FROM store.meta").fetchall())
        if stored != {"hash": probe[0], "schema": self.schema_id}:
            raise PermanentError(
                f"{self.path} was written by another version of the platform or of DuckDB: "
                "run `orders rebuild`, which makes it anew from the landing folder"
            )


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end of the `with`, roll back when it raises.

    A COMMIT that raises may still be durable; the caller reopens and reads the position.
    """
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
