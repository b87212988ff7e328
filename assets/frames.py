"""Where frames and warehouse tables meet.

The one place that turns money from whole ten-thousandths into DECIMAL and back. Statements are put
together from names of the contract's tables, never from values.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa

from assets.contract.tables import TableSpec

MONEY_TYPE = "DECIMAL(18,4)"
GIVEN_ROWS: Final = "rowid IN (SELECT row FROM given)"
"""The condition for the rows of a table whose numbers are given: see `rows_at`."""
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_EMPTY: Final[dict[str, pl.DataFrame]] = {}


def frame(connection: duckdb.DuckDBPyConnection, relation: str) -> nw.LazyFrame[duckdb.DuckDBPyRelation]:
    """Return a table or view of the connection as a lazy frame."""
    return nw.from_native(connection.table(relation))


def table_from(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    rows: nw.LazyFrame[duckdb.DuckDBPyRelation],
    *,
    is_new: bool = True,
) -> None:
    """Store the rows of a lazy frame as the temporary table `name`, replacing it, or add them to it."""
    start = f"CREATE OR REPLACE TEMP TABLE {name} AS" if is_new else f"INSERT INTO {name}"
    connection.execute(f"{start} {rows.to_native().sql_query()}")


def in_memory(table: pa.Table, columns: Iterable[str] | None = None) -> pl.DataFrame:
    """Return an Arrow table, or some of its columns, as a frame in memory; texts are copied."""
    frame = pl.from_arrow(table if columns is None else table.select(list(columns)))
    assert isinstance(frame, pl.DataFrame)
    return frame


def collected(rows: nw.LazyFrame[pl.LazyFrame]) -> pl.DataFrame:
    """Return the rows of a lazy frame in memory."""
    return rows.to_native().collect()


def insert_frame(connection: duckdb.DuckDBPyConnection, table: TableSpec, source: str) -> None:
    """Append the rows of `source`, a relation with the table's column names and money as integers."""
    connection.execute(_insertion(table, source, _NONE))


def insert_rows(
    connection: duckdb.DuckDBPyConnection,
    table: TableSpec,
    given: pl.DataFrame | pa.Table,
    more: Mapping[str, str] = _NONE,
) -> None:
    """Append rows in memory, money as integers; `more` has SQL for the columns that they lack."""
    execute(connection, _insertion(table, "given", more), given)


def _insertion(table: TableSpec, source: str, more: Mapping[str, str]) -> str:
    columns = [column.name for column in table.all_columns]
    values = [
        f"({column.name}::DECIMAL(18,0) * 0.0001)::{MONEY_TYPE}"
        if column.sql_type == MONEY_TYPE
        else more.get(column.name, column.name)
        for column in table.all_columns
    ]
    return f"INSERT INTO store.{table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}"


def select_frame(table: TableSpec, condition: str = "true", only: Collection[str] | None = None) -> str:
    """Return the query that reads the table's rows as a frame, or `only` some columns, money as integers."""
    values = [
        f"({column.name}::DECIMAL(24,4) * 10000)::BIGINT AS {column.name}"
        if column.sql_type == MONEY_TYPE
        else column.name
        for column in table.all_columns
        if only is None or column.name in only
    ]
    return f"SELECT {', '.join(values)} FROM store.{table.name} WHERE {condition}"


def execute(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    given: pl.DataFrame | pa.Table,
    parameters: Mapping[str, object] = _NONE,
) -> None:
    """Execute a statement that reads the rows in memory under the name `given`."""
    # DuckDB finds the variable by its name: for a small batch that is cheaper than to make a view of it.
    given = _as_arrow(given)
    connection.execute(statement, dict(parameters))


def fetched(
    connection: duckdb.DuckDBPyConnection, query: str, given: pl.DataFrame | pa.Table
) -> list[tuple[Any, ...]]:
    """Return the rows, which are few, of a query that reads those in memory under the name `given`."""
    given = _as_arrow(given)
    return connection.execute(query).fetchall()


def numbers_of(
    connection: duckdb.DuckDBPyConnection,
    table: TableSpec,
    condition: str,
    given: pl.DataFrame | pa.Table,
) -> pa.Table:
    """Return the row numbers (`row`) of a table's rows for which a condition over `given` holds.

    What the rows hold is for `rows_at`: a scan that also asks for texts would unpack those of every row, and
    DuckDB 2.0.0 crashed on the nested form.
    """
    given = _as_arrow(given)
    query = f"SELECT rowid AS row FROM store.{table.name} WHERE {condition}"
    return pa.table(connection.execute(query).fetchnumpy())


def rows_at(connection: duckdb.DuckDBPyConnection, query: str, given: pa.Table) -> pl.DataFrame:
    """Return what a query finds for the rows of `given`, whose numbers (`row`) or keys it looks up."""
    if len(given) or query not in _EMPTY:
        found = in_memory(connection.sql(query).to_arrow_table())
        _EMPTY.setdefault(query, found.clear())
        return found
    # Mostly nothing is found, which is known without another query.
    return _EMPTY[query]


def delete_rows(
    connection: duckdb.DuckDBPyConnection, table: TableSpec, given: pl.DataFrame | pa.Table
) -> None:
    """Delete the rows of a table whose numbers (`row`) are in `given`."""
    if len(given):
        execute(connection, f"DELETE FROM store.{table.name} WHERE {GIVEN_ROWS}", given)


def _as_arrow(rows: pl.DataFrame | pa.Table) -> pa.Table:
    return rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
