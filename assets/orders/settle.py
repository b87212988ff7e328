"""Settling one batch of decoded messages inside the caller's transaction.

A message is rejected if it breaks the contract, else a duplicate if its (source, id) is accepted
already, else accepted. Accepted events are folded into the current state: the event with the greatest
(version, occurred_at, source, event_id) wins, whatever the order of arrival.

The warehouse is asked only for what it alone knows, and told only what changes: look-ups go by 64-bit hashes
of the keys and by the number of the load, which ascends with the rows, so their cost hardly grows with
history; strings are compared wherever a hash matches. Everything else happens in memory.
"""

from dataclasses import dataclass
from typing import Final

import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa

from assets.contract.tables import ORDER_ANOMALIES, ORDER_EVENTS, ORDER_LINES, ORDERS
from assets.frames import (
    GIVEN_ROWS,
    collected,
    delete_rows,
    execute,
    in_memory,
    insert_rows,
    numbers_of,
    rows_at,
)
from assets.orders.batches import Prepared
from assets.orders.customers import update_customers
from assets.orders.fold import (
    PLACE,
    NewStates,
    doubtful_orders,
    new_states,
    repeats_among,
    rows_of,
    winners_without,
)
from assets.orders.keys import CUSTOMER_KEY, ORDER_KEY
from assets.orders.known import KnownEvents
from assets.transforms import orders as transforms

_SAME_KEY: Final = "load_no >= {first:d} AND event_key IN (SELECT event_key FROM given)"
# A state was taken in by the load of one of its order's events.
_SAME_ORDER: Final = "lines_load >= {first:d} AND order_key IN (SELECT order_key FROM given)"
_SEEN: Final = f"""
SELECT event_key, source, event_id, order_id, {", ".join(PLACE)} FROM store.order_events WHERE {GIVEN_ROWS}
"""
_STORED: Final = f"""
SELECT rowid AS row, order_id, order_key, version AS old_version, updated_at AS old_occurred_at,
       source AS old_source, event_id AS old_event_id, customer_id AS old_customer_id,
       placed_at AS old_placed_at, first_load, lines_load
FROM store.orders WHERE {GIVEN_ROWS}
"""
_OLD_LINES: Final = (
    "order_key IN (SELECT order_key FROM given) AND load_no >= (SELECT min(lines_load) FROM given)"
)
_LINE_OWNERS: Final = f"SELECT rowid AS row, order_id FROM store.order_lines WHERE {GIVEN_ROWS}"
_TOUCHED_DAYS: Final = "INSERT INTO store.touched_days SELECT day, $load_no FROM given"
_EARLIER: Final = (
    "order_key IN (SELECT order_key FROM given) "
    "AND load_no >= (SELECT min(first_load) FROM given) AND load_no < {no:d}"
)
# Source and event_id only order events of the same version and time, and are costly to read: see _named.
_PAST: Final = f"""
SELECT rowid AS row, order_key, version, status, occurred_at, '' AS source, '' AS event_id, content_hash
FROM store.order_events WHERE {GIVEN_ROWS}
"""
_NAMES: Final = f"""
SELECT rowid AS row, source AS its_source, event_id AS its_event_id FROM store.order_events WHERE {GIVEN_ROWS}
"""
_DELETE_ANOMALIES: Final = """
DELETE FROM store.order_anomalies USING given
WHERE order_anomalies.order_key = given.order_key AND order_anomalies.order_id = given.order_id
  AND anomaly IN ('version_conflict', 'version_gap', 'backward_status')
"""
_TOLD: Final = ("order_id", "version", "status", "occurred_at", "source", "event_id", "content_hash")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the events of a batch: `fresh` were accepted, `repeats` are duplicates.

    `fresh` has the columns of the decoder and feed, partition, position, received_at and segment; `repeats`
    is what `repeats_among` returns.
    """

    fresh: pa.Table
    repeats: pl.DataFrame


def settle_events(known: KnownEvents, batch: Prepared, load_no: int) -> Settled:
    """Accept the events that are new and fold them."""
    connection = known.connection
    events, winners = _placed(batch.events, batch.places), batch.winners
    keys = (events[name].to_numpy() for name in ("event_key", "order_key"))
    first_event, first_order = known.first_loads(*keys)
    repeats = _repeats(connection, events, first_event)
    if len(repeats):
        winners = winners_without(winners, events, repeats)
        sequence = in_memory(events, ["event_seq"])["event_seq"]
        events = rows_of(events, sequence.filter(~sequence.is_in(repeats["event_seq"].implode())))
    if len(events):
        insert_rows(connection, ORDER_EVENTS, events, {"load_no": str(load_no)})
        stored = _stored(connection, events, first_order)
        states = new_states(events, batch.lines, winners, stored)
        _take_in(connection, states, load_no)
        _touch_days(connection, states, stored, load_no)
        _flag_anomalies(connection, events, stored, load_no)
    return Settled(events, repeats)


def _placed(events: pa.Table, places: pa.Table) -> pa.Table:
    """Return the events with the columns of `places` beside them; event_seq is the row number there."""
    rows = places if len(events) == len(places) else places.take(events["event_seq"])
    for name in (*PLACE, "received_at", "segment"):
        events = events.append_column(name, rows[name])
    return events


def _repeats(connection: duckdb.DuckDBPyConnection, events: pa.Table, first_load: int) -> pl.DataFrame:
    keys = events.select(["event_seq", "event_key"])
    same_key = _SAME_KEY.format(first=first_load)
    seen = rows_at(connection, _SEEN, numbers_of(connection, ORDER_EVENTS, same_key, keys))
    is_suspect = pl.col("event_key").is_duplicated() | pl.col("event_key").is_in(seen["event_key"].implode())
    suspects = rows_of(events, in_memory(keys).filter(is_suspect)["event_seq"])
    return repeats_among(
        in_memory(suspects, ("event_seq", "source", "event_id", "order_id", *PLACE)), seen.drop("event_key")
    )


def _stored(connection: duckdb.DuckDBPyConnection, events: pa.Table, first_load: int) -> pl.DataFrame:
    """Return the present state of the orders that events name, as far as there is one."""
    keys, same_order = events.select(["order_key"]), _SAME_ORDER.format(first=first_load)
    stored = rows_at(connection, _STORED, numbers_of(connection, ORDERS, same_order, keys))
    return stored.join(in_memory(events, ["order_id"]), on="order_id", how="semi") if len(stored) else stored


def _take_in(connection: duckdb.DuckDBPyConnection, states: NewStates, load_no: int) -> None:
    """Let the new states replace those before, and the customers follow."""
    _delete(connection, states.taking.filter(pl.col("row").is_not_null()))
    more = {"order_key": ORDER_KEY, "load_no": str(load_no)}
    insert_rows(connection, ORDER_LINES, states.lines, more)
    first_loads = states.taking.select("order_id", pl.col("first_load").fill_null(load_no))
    more |= {"lines_load": str(load_no), "customer_key": CUSTOMER_KEY}
    insert_rows(connection, ORDERS, states.orders.join(first_loads, on="order_id"), more)
    update_customers(connection, states.taking, states.orders)


def _touch_days(
    connection: duckdb.DuckDBPyConnection, states: NewStates, stored: pl.DataFrame, load_no: int
) -> None:
    moments = (
        states.taking["placed_at"],
        states.taking["old_placed_at"].drop_nulls(),
        stored["old_placed_at"],
    )
    days = pl.concat(moments).dt.date().unique().to_frame("day")
    execute(connection, _TOUCHED_DAYS, days, {"load_no": load_no})


def _delete(connection: duckdb.DuckDBPyConnection, replaced: pl.DataFrame) -> None:
    """Delete orders that are about to be replaced, and their lines."""
    if len(replaced) == 0:
        return
    lines = rows_at(connection, _LINE_OWNERS, numbers_of(connection, ORDER_LINES, _OLD_LINES, replaced))
    delete_rows(connection, ORDER_LINES, lines.join(replaced, on="order_id", how="semi"))
    delete_rows(connection, ORDERS, replaced)


def _flag_anomalies(
    connection: duckdb.DuckDBPyConnection, events: pa.Table, stored: pl.DataFrame, load_no: int
) -> None:
    history = in_memory(events, _TOLD).with_columns(pl.lit(None, pl.Int64).alias("row"))
    if len(stored):
        execute(connection, _DELETE_ANOMALIES, stored)
        earlier = numbers_of(connection, ORDER_EVENTS, _EARLIER.format(no=load_no), stored)
        past = rows_at(connection, _PAST, earlier).join(
            stored.select("order_id", "order_key"), on="order_key"
        )
        history = pl.concat([history, past.select(history.columns)])
    doubtful = doubtful_orders(history)
    if len(doubtful) == 0:
        return
    history = _named(connection, history.filter(pl.col("order_id").is_in(doubtful.implode())))
    found = collected(transforms.anomalies(nw.from_native(history.lazy())))
    insert_rows(connection, ORDER_ANOMALIES, found, {"order_key": ORDER_KEY})


def _named(connection: duckdb.DuckDBPyConnection, history: pl.DataFrame) -> pl.DataFrame:
    """Return the history with the names of earlier events where those decide their order."""
    is_tied = pl.struct("order_id", "version", "occurred_at").is_duplicated() & pl.col("row").is_not_null()
    tied = history.filter(is_tied).select("row")
    if len(tied) == 0:
        return history
    names = rows_at(connection, _NAMES, tied.to_arrow())
    named = history.join(names, on="row", how="left")
    return named.with_columns(
        pl.coalesce("its_source", "source").alias("source"),
        pl.coalesce("its_event_id", "event_id").alias("event_id"),
    )
