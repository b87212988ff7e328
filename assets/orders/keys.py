"""The hashes of decoded events: what look-ups in the warehouse go by, and what tells contents apart.

They are DuckDB's, so that SQL can make the same, and are made beside the warehouse, while it settles
the batch before.
"""

from functools import cache
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

KEYS_SCHEMA: Final = pa.schema([(name, pa.uint64()) for name in ("event_key", "order_key", "content_hash")])
"""Of source and event_id; of order_id; of the whole order as the event gives it, lines included."""

ORDER_KEY: Final = "hash(order_id)"
CUSTOMER_KEY: Final = "hash(customer_id)"

_OF_LINES: Final = (
    "SELECT hash(line_number, sku, description, quantity, unit_price, extra) AS hash FROM lines"
)
_KEYS: Final = f"""
SELECT hash(source, event_id) AS event_key, {ORDER_KEY} AS order_key,
       hash(order_id, version, kind, status, currency, customer_id, customer_name, customer_email, country,
            placed_at, shipping, discount, tax, extra, line_hash) AS content_hash
FROM events
"""


def with_keys(events: pa.Table, lines: pa.Table) -> pa.Table:
    """Return the events with the columns of `KEYS_SCHEMA` behind theirs; both ascend by event_seq.

    Every line belongs to one of the events.
    """
    # Two plain scans with the lines joined here: as one query they take three times as long.
    with _hasher().cursor() as connection:
        hashes = connection.execute(_OF_LINES).fetchnumpy()["hash"]
        events = events.append_column("line_hash", _of_all_lines(events, lines, hashes))
        keys = pa.table(connection.execute(_KEYS).fetchnumpy())
    events = events.drop_columns(["line_hash"])
    for field in KEYS_SCHEMA:
        events = events.append_column(field, keys[field.name])
    return events


def _of_all_lines(events: pa.Table, lines: pa.Table, hashes: npt.NDArray[np.uint64]) -> pa.Array:
    """Return one hash for each event, in which the order of its lines plays no part; null without lines."""
    owners = lines["event_seq"].to_numpy()
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    rows = np.searchsorted(events["event_seq"].to_numpy(), owners[starts])
    found = np.zeros(len(events), np.uint64)
    is_without = np.ones(len(events), np.bool_)
    found[rows] = np.bitwise_xor.reduceat(hashes, starts)
    is_without[rows] = False
    return pa.array(found, pa.uint64(), mask=is_without)


@cache
def _hasher() -> duckdb.DuckDBPyConnection:
    # One for all calls: to open it takes longer than to hash a small batch.
    return duckdb.connect(config={"threads": 1})
