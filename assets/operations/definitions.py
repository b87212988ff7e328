"""The asset of operations: the copy that everybody reads."""

import dagster as dg

from assets.contract.tables import TABLES
from assets.metadata import table_metadata
from assets.platform import Platform, PlatformParam, after_runs, retries, typed_failures


def published_copy_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset of the published copy."""

    @dg.asset(
        deps=list(TABLES),
        group_name="operations",
        owners=[owner],
        kinds={"duckdb", "file"},
        pool="warehouse",
        retry_policy=retries(),
        automation_condition=after_runs(),
        description=(
            "The read-only copy of the warehouse that any number of readers open while loads run; only the "
            "blocks that changed are written."
        ),
    )
    def published_copy(platform: PlatformParam) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=publish_copy(platform))

    return published_copy


def publish_copy(platform: Platform) -> dict[str, dg.MetadataValue]:
    """Publish and return what to tell of it: sizes, and the rows of each table in the copy."""
    from resources.warehouse.publish import open_copy, publish

    platform.on_progress("publishing")
    with typed_failures():
        published = publish(platform.warehouse)
    rows: dict[str, int] = {}
    with open_copy(platform.warehouse) as connection:
        for name in TABLES:
            value = table_metadata(connection, name)["dagster/row_count"].value
            rows[name] = value if isinstance(value, int) else 0
    table = "\n".join(f"| {name} | {count:,} |" for name, count in rows.items())
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(rows.values())),
        "dagster/column_schema": dg.MetadataValue.table_schema(
            dg.TableSchema(
                [dg.TableColumn(name, "table", table.description) for name, table in TABLES.items()]
            )
        ),
        "bytes written": dg.MetadataValue.int(published.bytes_written),
        "bytes in all": dg.MetadataValue.int(published.bytes_total),
        "path": dg.MetadataValue.path(platform.warehouse.copy),
        "at a glance": dg.MetadataValue.md(f"| table | rows |\n| --- | --- |\n{table}"),
    }


def is_copy_behind(platform: Platform) -> bool:
    """Tell whether the warehouse was written after the published copy, or has none.

    Publishing leaves the copy as the newest of the files, and every commit writes the warehouse or its log.
    """
    warehouse = platform.warehouse
    if not warehouse.exists():
        return False
    if not warehouse.copy.exists():
        return True
    log = warehouse.path.with_name(warehouse.path.name + ".wal")
    written = [path.stat().st_mtime_ns for path in (warehouse.path, log) if path.exists()]
    return max(written) > warehouse.copy.stat().st_mtime_ns
