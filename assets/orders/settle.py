"""Settling one batch of decoded messages inside the caller's transaction.

A message is rejected if it breaks the contract, else a duplicate if its (source, id) is accepted
already, else accepted. Accepted events are folded into the current state: the event with the greatest
(version, occurred_at, source, event_id) wins, whatever the order of arrival.

Look-ups go by 64-bit hashes of the keys and by the number of the load, which ascends with the rows, so
their cost hardly grows with history; strings are compared wherever a hash matches. They find row
numbers first and store them: a scan that also asks for strings would unpack those of every row, and
DuckDB 2.0.0 crashed on the nested form. What a batch brings is read where it lies, as Arrow tables; only
what is small and asked for often becomes a temporary table.
"""

import duckdb
import pyarrow as pa

from assets.contract.model import STATUSES
from assets.contract.tables import TABLES
from assets.frames import insert_frame, row_count
from assets.orders.customers import update_customers
from assets.orders.queries import queries

_SEEN_ROWS = """
CREATE OR REPLACE TEMP TABLE seen_rows AS
SELECT rowid AS row FROM store.order_events WHERE event_key IN (SELECT event_key FROM batch)
"""
_SEEN = """
CREATE OR REPLACE TEMP TABLE seen AS
SELECT source, event_id, order_id, order_key, feed, partition, position, segment
FROM store.order_events WHERE rowid IN (SELECT row FROM seen_rows)
"""
_REPEATS = """
CREATE OR REPLACE TEMP TABLE repeats AS
WITH suspects AS (
    SELECT event_seq, source, event_id
    FROM batch
    SEMI JOIN (SELECT event_key FROM batch GROUP BY event_key HAVING count(*) > 1) USING (event_key)
), firsts AS (
    SELECT source, event_id, min(event_seq) AS first_seq, count(*) AS copies
    FROM suspects GROUP BY source, event_id HAVING count(*) > 1
)
SELECT event_seq, source, event_id, first_seq, NULL::VARCHAR AS segment, NULL::BIGINT AS position
FROM suspects JOIN firsts USING (source, event_id)
WHERE event_seq > first_seq AND (source, event_id) NOT IN (SELECT (source, event_id) FROM seen)
UNION ALL
SELECT event_seq, source, event_id, NULL, seen.segment, seen.position
FROM batch JOIN seen USING (source, event_id)
"""
_FRESH = "CREATE OR REPLACE TEMP VIEW fresh AS SELECT * FROM batch"
_FRESH_WITHOUT_REPEATS = _FRESH + " ANTI JOIN repeats USING (event_seq)"
_STORED_ROWS = """
CREATE OR REPLACE TEMP TABLE stored_rows AS
SELECT rowid AS row FROM store.orders WHERE order_key IN (SELECT order_key FROM fresh)
"""
_STORED = """
CREATE OR REPLACE TEMP TABLE stored AS
SELECT rowid AS row, order_id, order_key, version, updated_at, source, event_id, customer_id, placed_at,
       first_load, lines_load
FROM store.orders WHERE rowid IN (SELECT row FROM stored_rows)
"""
# The version guard: an event that arrives late must not overwrite a later state.
_TAKING = """
CREATE OR REPLACE TEMP TABLE taking AS
SELECT winners.*, stored.order_id IS NOT NULL AS is_update,
       coalesce(stored.first_load, $load_no) AS first_load, stored.lines_load AS old_lines_load,
       stored.row AS old_row,
       stored.customer_id AS old_customer_id, stored.placed_at AS old_placed_at,
       stored.updated_at AS old_updated_at
FROM winners LEFT JOIN stored USING (order_id)
WHERE stored.order_id IS NULL
   OR winners.version > stored.version
   OR (winners.version = stored.version AND (
          winners.occurred_at > stored.updated_at
       OR (winners.occurred_at = stored.updated_at AND (
              winners.source > stored.source
           OR (winners.source = stored.source AND winners.event_id > stored.event_id)))))
"""
_TAKEN = "CREATE OR REPLACE TEMP VIEW taken AS SELECT * FROM batch SEMI JOIN taking USING (event_seq)"
_DELETE_ORDERS = "DELETE FROM store.orders WHERE rowid IN (SELECT old_row FROM taking WHERE is_update)"
_OLD_LINES = """
CREATE OR REPLACE TEMP TABLE old_lines AS
SELECT rowid AS row FROM store.order_lines
WHERE order_key IN (SELECT order_key FROM taking WHERE is_update)
  AND load_no >= (SELECT min(old_lines_load) FROM taking)
"""
_DELETE_LINES = """
DELETE FROM store.order_lines
WHERE order_id IN (SELECT order_id FROM taking WHERE is_update) AND rowid IN (SELECT row FROM old_lines)
"""
_NEW_LINES = "(SELECT *, hash(order_id) AS order_key, {no:d} AS load_no FROM ({query}))"
_NEW_ORDERS = """
(SELECT made.*, hash(order_id) AS order_key, hash(made.customer_id) AS customer_key, first_load,
        {no:d} AS load_no, {no:d} AS lines_load
 FROM ({query}) AS made JOIN (SELECT order_id, first_load FROM taking) USING (order_id))
"""
_TOUCHED_DAYS = """
INSERT INTO store.touched_days
SELECT DISTINCT day, $load_no FROM (
    SELECT placed_at::DATE AS day FROM taking
    UNION ALL SELECT old_placed_at::DATE FROM taking WHERE is_update
    UNION ALL SELECT placed_at::DATE FROM stored
)
"""
_HISTORY_ROWS = """
CREATE OR REPLACE TEMP TABLE history_rows AS
SELECT rowid AS row FROM store.order_events
WHERE order_key IN (SELECT order_key FROM stored)
  AND load_no >= (SELECT min(first_load) FROM stored) AND load_no < $load_no
"""
# Source and event_id only order events of the same version and time, and are costly to read: see _TIED.
_PAST = """
CREATE OR REPLACE TEMP TABLE past AS
SELECT order_key, version, status, occurred_at, content_hash, event_key
FROM store.order_events WHERE rowid IN (SELECT row FROM history_rows)
"""
_HISTORY = """
CREATE OR REPLACE TEMP VIEW history AS
SELECT order_id, order_key, version, status, occurred_at, source, event_id, content_hash, event_key FROM fresh
UNION ALL
SELECT stored.order_id, order_key, past.version, status, occurred_at, '', '', content_hash, event_key
FROM past JOIN stored USING (order_key)
"""
# An order is beyond doubt when its versions are 1 to n, each once, and no status comes before a lower one.
# That is most orders, and cheaper to see than what exactly is wrong with the others.
_IS_FORWARD = " AND ".join(
    f"coalesce(max(version) FILTER (place <= {place}) <= min(version) FILTER (place > {place}), true)"
    for place in range(1, len(STATUSES))
)
_DOUBTFUL = f"""
CREATE OR REPLACE TEMP TABLE doubtful AS
SELECT order_id
FROM (SELECT order_id, version, list_position({list(STATUSES)}, status) AS place FROM history)
GROUP BY order_id
HAVING NOT (
    min(version) = 1 AND max(version) = count(*) AND count(*) < 63
    AND bit_count(bit_or(1::BIGINT << least(version, 62))) = count(*) AND {_IS_FORWARD}
)
"""
_DOUBTFUL_HISTORY = """
CREATE OR REPLACE TEMP TABLE doubtful_history AS
SELECT * FROM history WHERE order_id IN (SELECT order_id FROM doubtful)
"""
_TIED = """
CREATE OR REPLACE TEMP TABLE tied AS
SELECT event_key FROM doubtful_history
SEMI JOIN (SELECT order_key, version, occurred_at FROM doubtful_history GROUP BY ALL HAVING count(*) > 1)
    AS ties USING (order_key, version, occurred_at)
WHERE event_id = ''
"""
_NAME_TIED = """
UPDATE doubtful_history SET source = named.source, event_id = named.event_id
FROM (
    SELECT event_key, source, event_id FROM store.order_events
    WHERE rowid IN (SELECT row FROM history_rows) AND event_key IN (SELECT event_key FROM tied)
) AS named
WHERE doubtful_history.event_key = named.event_key
"""
_DELETE_ANOMALIES = """
DELETE FROM store.order_anomalies USING (SELECT order_id, order_key FROM winners) AS touched
WHERE order_anomalies.order_key = touched.order_key AND order_anomalies.order_id = touched.order_id
  AND anomaly IN ('version_conflict', 'version_gap', 'backward_status')
"""


def settle_events(
    connection: duckdb.DuckDBPyConnection,
    *,
    events: pa.Table,
    lines: pa.Table,
    places: pa.Table,
    load_no: int,
) -> tuple[int, int]:
    """Accept the events that are new and fold them; return (accepted, duplicates).

    `events` and `lines` are frames of the decoder, the events with their keys; `places` says where each
    message came from: event_seq, feed, partition, position, received_at, segment. Leaves the relations
    `batch`, `repeats` (event_seq of each duplicate, and where its first copy is) and `fresh` for the caller.
    """
    connection.register("batch", _placed(events, places))
    connection.register("batch_lines", lines)
    connection.register("message_places", places)
    connection.execute(_SEEN_ROWS)
    connection.execute(_SEEN)
    duplicates = row_count(connection.execute(_REPEATS))
    connection.execute(_FRESH_WITHOUT_REPEATS if duplicates else _FRESH)
    accepted = len(events) - duplicates
    if accepted:
        insert_frame(connection, TABLES["order_events"], f"(SELECT *, {load_no:d} AS load_no FROM fresh)")
        _fold(connection, load_no)
    return accepted, duplicates


def _placed(events: pa.Table, places: pa.Table) -> pa.Table:
    """Return the events with the columns of `places` beside them; event_seq is the row number there."""
    rows = places if len(events) == len(places) else places.take(events["event_seq"])
    for name in ("feed", "partition", "position", "received_at", "segment"):
        events = events.append_column(name, rows[name])
    return events


def _fold(connection: duckdb.DuckDBPyConnection, load_no: int) -> None:
    connection.execute(_STORED_ROWS)
    updates = row_count(connection.execute(_STORED))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE winners AS {queries().winners}")
    connection.execute(_TAKING, {"load_no": load_no})
    connection.execute(_TAKEN)
    if updates:
        connection.execute(_OLD_LINES)
        connection.execute(_DELETE_LINES)
        connection.execute(_DELETE_ORDERS)
    insert_frame(connection, TABLES["order_lines"], _NEW_LINES.format(query=queries().lines, no=load_no))
    insert_frame(connection, TABLES["orders"], _NEW_ORDERS.format(query=queries().orders, no=load_no))
    update_customers(connection, load_no)
    connection.execute(_TOUCHED_DAYS, {"load_no": load_no})
    _flag_anomalies(connection, load_no)


def _flag_anomalies(connection: duckdb.DuckDBPyConnection, load_no: int) -> None:
    connection.execute(_HISTORY_ROWS, {"load_no": load_no})
    for statement in (_PAST, _HISTORY, _DELETE_ANOMALIES):
        connection.execute(statement)
    if not row_count(connection.execute(_DOUBTFUL)):
        return
    connection.execute(_DOUBTFUL_HISTORY)
    if row_count(connection.execute(_TIED)):
        connection.execute(_NAME_TIED)
    insert_frame(
        connection,
        TABLES["order_anomalies"],
        f"(SELECT *, hash(order_id) AS order_key FROM ({queries().anomalies}))",
    )
