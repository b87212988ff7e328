"""Where frames and warehouse tables meet.

The one place that turns money from whole ten-thousandths into DECIMAL and back. Statements are put
together from names of the contract's tables, never from values.
"""

import duckdb
import narwhals as nw

from assets.contract.tables import TableSpec

MONEY_TYPE = "DECIMAL(18,4)"


def frame(connection: duckdb.DuckDBPyConnection, relation: str) -> nw.LazyFrame[duckdb.DuckDBPyRelation]:
    """Return a table or view of the connection as a lazy frame."""
    return nw.from_native(connection.table(relation))


def table_from(
    connection: duckdb.DuckDBPyConnection, name: str, rows: nw.LazyFrame[duckdb.DuckDBPyRelation]
) -> None:
    """Store the rows of a lazy frame as the temporary table `name`, replacing it."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query_of(rows)}")


def row_count(made: duckdb.DuckDBPyConnection) -> int:
    """Return how many rows the statement just executed put into its table."""
    return int(made.fetchall()[0][0])


def query_of(rows: nw.LazyFrame[duckdb.DuckDBPyRelation]) -> str:
    """Return the query of a lazy frame, over the relations by name."""
    return rows.to_native().sql_query()


def insert_frame(connection: duckdb.DuckDBPyConnection, table: TableSpec, source: str) -> None:
    """Append the rows of `source`, a relation with the table's column names and money as integers."""
    columns = [column.name for column in table.all_columns]
    values = [
        f"({column.name}::DECIMAL(18,0) * 0.0001)::{MONEY_TYPE}"
        if column.sql_type == MONEY_TYPE
        else column.name
        for column in table.all_columns
    ]
    connection.execute(
        f"INSERT INTO store.{table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}"
    )


def select_frame(table: TableSpec, condition: str = "true") -> str:
    """Return the query that reads the table's rows as a frame, money as integers."""
    values = [
        f"({column.name}::DECIMAL(24,4) * 10000)::BIGINT AS {column.name}"
        if column.sql_type == MONEY_TYPE
        else column.name
        for column in table.all_columns
    ]
    return f"SELECT {', '.join(values)} FROM store.{table.name} WHERE {condition}"
