"""The transforms that settle a batch, as queries over relations by name.

To turn a transform into a query takes longer than to run it on a small batch, so it is done once in a
process, over empty relations of the same columns.
"""

from dataclasses import dataclass
from functools import cache

import duckdb
import pyarrow as pa

from assets.contract.tables import TABLES
from assets.frames import frame, query_of, select_frame
from assets.orders.keys import KEYS_SCHEMA
from assets.orders.rules import EVENTS_SCHEMA, LINES_SCHEMA
from assets.orders.schema import DDL
from assets.transforms import orders as transforms

_EVENTS = pa.schema([*EVENTS_SCHEMA, *KEYS_SCHEMA])
_TOLD = (
    *("order_id", "order_key", "version", "status", "occurred_at", "source", "event_id"),
    *("content_hash", "event_key"),
)
_HISTORY = pa.schema([_EVENTS.field(name) for name in _TOLD])
_RELATIONS = {
    "fresh": _EVENTS,
    "taken": _EVENTS,
    "batch_lines": LINES_SCHEMA,
    "doubtful_history": _HISTORY,
}
# What of an event the fold, and what follows from it, look at.
_CONTENDING = (
    *("event_seq", "order_id", "order_key", "version", "occurred_at", "source", "event_id"),
    *("placed_at", "customer_id"),
)


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries by what they make.

    `winners` reads the relation `fresh`, `orders` and `lines` read `taken` and `batch_lines`,
    `gained_customers` and `recomputed_customers` read `gained_orders` and `their_orders`, `anomalies`
    reads `doubtful_history`.
    """

    winners: str
    orders: str
    lines: str
    gained_customers: str
    recomputed_customers: str
    anomalies: str


@cache
def queries() -> Queries:
    """Return the queries; money is in ten-thousandths on both sides."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE SCHEMA store")
        for statement in DDL:
            connection.execute(statement)
        for name, schema in _RELATIONS.items():
            connection.register(name, schema.empty_table())
        for name in ("gained_orders", "their_orders"):
            connection.execute(f"CREATE VIEW {name} AS {select_frame(TABLES['orders'])}")
        taken, lines = frame(connection, "taken"), frame(connection, "batch_lines")
        return Queries(
            winners=query_of(transforms.current_events(frame(connection, "fresh").select(*_CONTENDING))),
            orders=query_of(transforms.order_rows(taken, lines)),
            lines=query_of(transforms.order_lines(taken, lines)),
            gained_customers=query_of(transforms.customers(frame(connection, "gained_orders"))),
            recomputed_customers=query_of(transforms.customers(frame(connection, "their_orders"))),
            anomalies=query_of(transforms.anomalies(frame(connection, "doubtful_history"))),
        )
