"""The statements that make the tables: text only, which others execute."""

from collections.abc import Iterator

from assets.contract.tables import TABLES, TableSpec


def create_table(table: TableSpec, schema: str = "store") -> str:
    """Return the statement that makes the stored table, internal columns included."""
    columns = ", ".join(
        f'"{column.name}" {column.sql_type}{"" if column.nullable else " NOT NULL"}'
        for column in table.all_columns
    )
    return f'CREATE TABLE "{schema}"."{table.name}" ({columns})'


def create_view(table: TableSpec, schema: str = "main", store: str = "store") -> str:
    """Return the statement that makes the view with exactly the public columns."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'CREATE VIEW "{schema}"."{table.name}" AS FROM "{store}"."{table.name}" SELECT {columns}'


def ddl() -> Iterator[str]:
    """Yield the statements that make all tables and views; both schemas must be there."""
    for table in TABLES.values():
        yield create_table(table)
        yield create_view(table)
