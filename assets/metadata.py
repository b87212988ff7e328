"""What an asset tells about itself in the UI: row counts, column schemas, small tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from assets.contract.tables import TABLES, TableSpec

if TYPE_CHECKING:
    import duckdb


def column_schema(table: TableSpec) -> dg.TableSchema:
    """Return the public columns of a table as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.sql_type,
                column.description,
                dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )


def segment_schema() -> dg.TableSchema:
    """Return the columns of a landed segment."""
    from resources.segments import SCHEMA

    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name, str(field.type), constraints=dg.TableColumnConstraints(nullable=field.nullable)
            )
            for field in SCHEMA
        ]
    )


def table_spec(name: str, *, group: str, owner: str, deps: list[str]) -> dg.AssetSpec:
    """Return the asset of a warehouse table: described by the contract, its schema known before any run."""
    table = TABLES[name]
    return dg.AssetSpec(
        name,
        deps=deps,
        description=f"{table.description}. Key: {', '.join(table.key)}.",
        group_name=group,
        owners=[owner],
        kinds={"duckdb", "table"},
        metadata={"dagster/column_schema": column_schema(table), "dagster/table_name": f"main.{name}"},
    )


def row_count(connection: "duckdb.DuckDBPyConnection", name: str) -> int:
    """Return the rows of one of the contract's tables."""
    row = connection.table(f"store.{TABLES[name].name}").count("*").fetchall()
    return int(row[0][0])


def table_metadata(connection: "duckdb.DuckDBPyConnection", name: str) -> dict[str, dg.MetadataValue]:
    """Return row count and column schema of a table."""
    return {
        "dagster/row_count": dg.MetadataValue.int(row_count(connection, name)),
        "dagster/column_schema": dg.MetadataValue.table_schema(column_schema(TABLES[name])),
    }


def as_markdown(
    connection: "duckdb.DuckDBPyConnection", query: str, parameters: Mapping[str, object] | None = None
) -> dg.MarkdownMetadataValue:
    """Return the result of a short query as a table to look at."""
    result = connection.execute(query, parameters)
    names = [str(column[0]) for column in result.description]
    lines = [_row(names), _row(["---"] * len(names))]
    lines += [_row(["" if value is None else str(value) for value in row]) for row in result.fetchall()]
    return dg.MetadataValue.md("\n".join(lines))


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
