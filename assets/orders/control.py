"""Applying what was landed about messages rather than as messages: decisions and observations."""

import json

import duckdb
import pyarrow as pa

from assets.frames import execute
from assets.orders.batches import Prepared, prepared_events
from assets.orders.decode import decode
from assets.orders.known import KnownEvents
from assets.orders.ledger import add_to_ledger, counted, record_reused_ids
from assets.orders.rejects import Decision, read_decisions
from assets.orders.settle import settle_events
from resources.crashpoints import reached
from resources.segments import Landing

_OPEN = """
SELECT DISTINCT ON (rejection_id)
       rejection_id, feed, partition, position, rejected_at AS received_at, segment, body
FROM store.rejected_messages JOIN decided USING (rejection_id)
WHERE state = 'open' AND decided.decision = $decision
ORDER BY decided.row
"""
_CLOSE = """
UPDATE store.rejected_messages SET state = $state
WHERE state = 'open' AND rejection_id IN (SELECT rejection_id FROM given)
"""
_MISSING = "missing_in_source"


def apply_decisions(
    known: KnownEvents,
    landing: Landing,
    prepared: Prepared,
    *,
    load_no: int,
    max_bytes: int,
) -> tuple[int, int, int]:
    """Discard and replay dead letters as decided; a message that still breaks the contract stays open.

    A replayed message is settled at the place where it once landed. Returns how the decisions
    themselves count: all accepted.
    """
    connection = known.connection
    decisions = read_decisions(prepared.controls)
    decided = pa.table(
        {
            "rejection_id": [str(d["rejection_id"]) for d in decisions],
            "decision": [str(d["decision"]) for d in decisions],
            "row": range(len(decisions)),
        }
    )
    connection.register("decided", decided)
    discarded = connection.sql(_OPEN, params={"decision": Decision.DISCARDED}).to_arrow_table()
    _close(connection, discarded["rejection_id"], Decision.DISCARDED)
    # A batch is one segment, written by one decision; a copy of a loaded segment leaves it empty.
    limits = [int(str(d["max_bytes"])) for d in decisions if d.get("max_bytes")]
    _replay(known, landing, load_no=load_no, max_bytes=limits[0] if limits else max_bytes)
    _count_own(connection, prepared)
    return prepared.messages, 0, 0


def _replay(known: KnownEvents, landing: Landing, *, load_no: int, max_bytes: int) -> None:
    connection = known.connection
    replayed = connection.sql(_OPEN, params={"decision": Decision.REPLAYED}).to_arrow_table().combine_chunks()
    if len(replayed) == 0:
        return
    bodies = pa.array(replayed["body"].to_pylist(), pa.large_binary())
    decoded = decode(bodies, max_bytes=max_bytes)
    numbered = replayed.drop_columns(["body"]).add_column(
        0, "event_seq", pa.array(range(len(replayed)), pa.int64())
    )
    settled = settle_events(known, prepared_events(numbered, decoded.events, decoded.lines), load_no)
    record_reused_ids(connection, landing, settled.repeats)
    reached("load.replayed")
    _close(connection, replayed["rejection_id"].take(decoded.events["event_seq"]), Decision.REPLAYED)
    add_to_ledger(
        connection,
        counted(settled.fresh, accepted=1, rejected=-1),
        counted(settled.repeats, duplicates=1, rejected=-1),
    )


def apply_observations(connection: duckdb.DuckDBPyConnection, prepared: Prepared) -> tuple[int, int, int]:
    """Flag orders that are gone from their source, and clear the flag of those that are back."""
    for body in prepared.controls:
        fact = json.loads(body)
        if fact["observation"] not in (_MISSING, "present_in_source"):
            continue
        order_id = fact["order_id"]
        connection.execute(
            "DELETE FROM store.order_anomalies WHERE order_id = ? AND anomaly = ?", [order_id, _MISSING]
        )
        if fact["observation"] == _MISSING:
            connection.execute(
                "INSERT INTO store.order_anomalies (order_id, anomaly, detail, order_key) "
                "VALUES ($1, $2, $3, hash($1::VARCHAR))",
                [order_id, _MISSING, fact["day"]],
            )
    _count_own(connection, prepared)
    return prepared.messages, 0, 0


def _count_own(connection: duckdb.DuckDBPyConnection, prepared: Prepared) -> None:
    add_to_ledger(connection, counted(prepared.places, landed=1, accepted=1))


def _close(
    connection: duckdb.DuckDBPyConnection, rejections: pa.ChunkedArray | pa.Array, state: Decision
) -> None:
    execute(connection, _CLOSE, pa.table({"rejection_id": rejections}), {"state": state})
