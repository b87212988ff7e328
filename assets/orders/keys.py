"""The hashes of decoded events: what look-ups in the warehouse go by, and what tells contents apart.

They are DuckDB's, so that SQL can make the same, and are made beside the warehouse, while it settles
the batch before.
"""

from functools import cache
from typing import Final

import duckdb
import pyarrow as pa

KEYS_SCHEMA: Final = pa.schema([(name, pa.uint64()) for name in ("event_key", "order_key", "content_hash")])
"""Of source and event_id; of order_id; of the whole order as the event gives it, lines included."""

ORDER_KEY: Final = "hash(order_id)"
CUSTOMER_KEY: Final = "hash(customer_id)"

_KEYS = f"""
SELECT hash(source, event_id) AS event_key, {ORDER_KEY} AS order_key,
       hash(order_id, version, kind, status, currency, customer_id, customer_name, customer_email, country,
            placed_at, shipping, discount, tax, extra, line_hash) AS content_hash
FROM events LEFT JOIN (
    SELECT event_seq, bit_xor(hash(line_number, sku, description, quantity, unit_price, extra)) AS line_hash
    FROM lines GROUP BY event_seq
) USING (event_seq)
ORDER BY event_seq
"""


def with_keys(events: pa.Table, lines: pa.Table) -> pa.Table:
    """Return the events, which ascend by event_seq, with the columns of `KEYS_SCHEMA` behind theirs."""
    with _hasher().cursor() as connection:
        keys = connection.sql(_KEYS).to_arrow_table()
    for field in KEYS_SCHEMA:
        events = events.append_column(field, keys[field.name])
    return events


@cache
def _hasher() -> duckdb.DuckDBPyConnection:
    # One for all calls: to open it takes longer than to hash a small batch.
    return duckdb.connect(config={"threads": 1})
