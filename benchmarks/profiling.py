"""Which SQL statements of a load take the time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import duckdb

from resources.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class ProfiledWarehouse(Warehouse):
    """A warehouse whose connection notes how long each statement took."""

    _seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As `Warehouse.writing`; opening and closing are noted too."""
        start = time.perf_counter()
        with Warehouse.writing(self) as connection:
            self._note("(open)", start)
            yield cast(duckdb.DuckDBPyConnection, _Timed(connection, self))
            start = time.perf_counter()
        self._note("(close)", start)

    def statements(self) -> list[tuple[float, int, str]]:
        """Return seconds, calls and statement, the costliest first."""
        rows = [(sum(taken), len(taken), text) for text, taken in self._seconds.items()]
        return sorted(rows, reverse=True)

    @contextmanager
    def noted(self, text: str) -> Iterator[None]:
        """Note how long the `with` takes under a statement's text."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._note(text, start)

    def _note(self, text: str, start: float) -> None:
        self._seconds.setdefault(" ".join(text.split())[:110], []).append(time.perf_counter() - start)


class _Timed:
    """A connection that times `execute` and `sql`; all else passes through untouched."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, owner: ProfiledWarehouse) -> None:
        self._connection = connection
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        # DuckDB looks for what a statement calls `given` among the variables of its caller, which is this.
        given = sys._getframe(1).f_locals.get("given")  # noqa: F841
        with self._owner.noted(query):
            return self._connection.execute(query, *arguments)

    def sql(self, query: str, **named: Any) -> duckdb.DuckDBPyRelation:
        given = sys._getframe(1).f_locals.get("given")  # noqa: F841
        with self._owner.noted(query):
            # A relation is lazy: it runs when it is read, out of sight.
            return self._connection.sql(query, **named).materialize()


def statement_lines(statements: list[tuple[float, int, str]], top: int = 12) -> Iterator[str]:
    """Yield the costliest statements as lines for people."""
    for seconds, calls, text in statements[:top]:
        yield f"  {seconds * 1e3:8,.1f} ms {calls:3d} x  {text}"
