"""What the platform is compared with: DuckDB's bare reader, and dlt."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

_COLUMNS = {
    "specversion": "VARCHAR",
    "id": "VARCHAR",
    "source": "VARCHAR",
    "type": "VARCHAR",
    "subject": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "data": """STRUCT(order_id VARCHAR, version BIGINT, kind VARCHAR, status VARCHAR, currency VARCHAR,
        placed_at TIMESTAMPTZ,
        customer STRUCT(customer_id VARCHAR, name VARCHAR, email VARCHAR, country VARCHAR),
        lines STRUCT(line_number BIGINT, sku VARCHAR, description VARCHAR, quantity BIGINT,
                     unit_price VARCHAR)[],
        shipping VARCHAR, discount VARCHAR, tax VARCHAR)""",
}
# The same columns, as DuckDB's JSON functions name them.
BARE_STRUCTURE: dict[str, Any] = {
    **{name: kind for name, kind in _COLUMNS.items() if name != "data"},
    "data": {
        **dict.fromkeys(("order_id", "kind", "status", "currency"), "VARCHAR"),
        "version": "BIGINT",
        "placed_at": "TIMESTAMPTZ",
        "customer": dict.fromkeys(("customer_id", "name", "email", "country"), "VARCHAR"),
        "lines": [
            {
                "line_number": "BIGINT",
                "sku": "VARCHAR",
                "description": "VARCHAR",
                "quantity": "BIGINT",
                "unit_price": "VARCHAR",
            }
        ],
        **dict.fromkeys(("shipping", "discount", "tax"), "VARCHAR"),
    },
}
_BARE = """
CREATE TABLE events AS
SELECT * FROM read_json(?, format = 'newline_delimited', columns = {columns})
"""


def bare_duckdb(file: str) -> dict[str, Any]:
    """Read the file into one table of a new database file, and checkpoint: no checks, no keys, no state."""
    columns = (
        "{" + ", ".join(f"{name!r}: {' '.join(kind.split())!r}" for name, kind in _COLUMNS.items()) + "}"
    )
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        start = time.perf_counter()
        with duckdb.connect(f"{folder}/bare.duckdb") as connection:
            connection.execute(_BARE.replace("{columns}", columns), [file])
            connection.execute("CHECKPOINT")
        seconds = time.perf_counter() - start
        with duckdb.connect(f"{folder}/bare.duckdb") as connection:
            (events,) = connection.execute("SELECT count(id) FROM events").fetchone() or (0,)
    return {"seconds": seconds, "messages": events}


def dlt(file: str, number: int) -> dict[str, Any]:
    """Load the first `number` messages of the file with dlt into a new DuckDB file, appending."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as folder:
        os.environ["DLT_DATA_DIR"] = folder
        import dlt as dlt_library

        pipeline = dlt_library.pipeline(
            pipeline_name="orders",
            pipelines_dir=f"{folder}/pipelines",
            destination=dlt_library.destinations.duckdb(f"{folder}/dlt.duckdb"),
            dataset_name="orders",
        )
        start = time.perf_counter()
        pipeline.run(_parsed(file, number), table_name="events", write_disposition="append")
        seconds = time.perf_counter() - start
        with duckdb.connect(f"{folder}/dlt.duckdb", read_only=True) as connection:
            (events,) = connection.execute("SELECT count(*) FROM orders.events").fetchone() or (0,)
    return {"seconds": seconds, "messages": events}


def _parsed(file: str, number: int) -> Iterator[dict[str, Any]]:
    with Path(file).open("rb") as lines:
        for line in islice(lines, number):
            yield json.loads(line)
