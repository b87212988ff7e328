"""The ledger, which must balance, and identifiers that came again with other bytes."""

import logging
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.segments import Landing, Range

_log = logging.getLogger(__name__)
_COUNTS = """
SELECT feed, partition, 0 AS landed, 1 AS accepted, 0 AS duplicates, 0 AS rejected FROM fresh
UNION ALL
SELECT feed, partition, 0, 0, 1, 0 FROM repeats JOIN message_places USING (event_seq)
UNION ALL
SELECT feed, partition, 0, 0, 0, 1 FROM new_rejects
"""
_REPEATS = """
SELECT r.source, r.event_id, coalesce(s.order_id, first.order_id) AS order_id,
       again.feed, again.partition, again.position,
       coalesce(s.feed, first.feed) AS first_feed, coalesce(s.partition, first.partition) AS first_partition,
       coalesce(s.position, first.position) AS first_position
FROM repeats r
JOIN batch again USING (event_seq)
LEFT JOIN seen s ON s.source = r.source AND s.event_id = r.event_id
LEFT JOIN batch first ON first.event_seq = r.first_seq
"""
_INSERT_REUSED = """
INSERT INTO store.order_anomalies (order_id, anomaly, detail, order_key)
SELECT DISTINCT order_id, 'id_reused', detail, hash(order_id) FROM reused
ANTI JOIN store.order_anomalies known
  ON known.order_id = reused.order_id AND known.anomaly = 'id_reused' AND known.detail = reused.detail
"""


def count_in_ledger(connection: duckdb.DuckDBPyConnection, ranges: Sequence[Range]) -> None:
    """Add a batch: `landed` is what LAND wrote into the footers, the others are what LOAD settled."""
    landed = pa.table(
        {
            "feed": pa.array([span.feed for span in ranges], pa.string()),
            "partition": pa.array([span.partition for span in ranges], pa.string()),
            "landed": pa.array([span.rows for span in ranges], pa.int64()),
        }
    )
    connection.register("new_landed", landed)
    add_to_ledger(connection, f"SELECT feed, partition, landed, 0, 0, 0 FROM new_landed UNION ALL {_COUNTS}")


def add_to_ledger(connection: duckdb.DuckDBPyConnection, changes: str) -> None:
    """Add the rows of a query (feed, partition, landed, accepted, duplicates, rejected) to the ledger."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE ledger_now AS
        SELECT feed, partition, sum(landed)::BIGINT AS landed, sum(accepted)::BIGINT AS accepted,
               sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected
        FROM (FROM store.message_ledger UNION ALL {changes}) GROUP BY feed, partition
        """
    )
    connection.execute("DELETE FROM store.message_ledger")
    connection.execute("INSERT INTO store.message_ledger FROM ledger_now")


def record_reused_ids(connection: duckdb.DuckDBPyConnection, landing: Landing) -> None:
    """Flag the accepted orders of duplicates whose bytes differ from the accepted message of that id.

    Both are read from the segments: nothing is kept for a comparison that is so rare.
    """
    repeats = connection.sql(_REPEATS).to_arrow_table()
    again = bodies_at(landing, repeats["feed"], repeats["partition"], repeats["position"])
    first = bodies_at(landing, repeats["first_feed"], repeats["first_partition"], repeats["first_position"])
    reused = repeats.filter(pc.not_equal(again, first))
    if len(reused) == 0:
        return
    ids = zip(reused["source"].to_pylist(), reused["event_id"].to_pylist(), strict=True)
    details = pa.array([f"{source} {event_id}" for source, event_id in ids])
    connection.register("reused", pa.table({"order_id": reused["order_id"], "detail": details}))
    connection.execute(_INSERT_REUSED)
    if _log.isEnabledFor(logging.INFO):
        for order_id in pc.unique(reused["order_id"]).to_pylist():
            _log.info("an id came again with other bytes: order %s", order_id, extra={"order_id": order_id})


def bodies_at(
    landing: Landing, feeds: pa.ChunkedArray, partitions: pa.ChunkedArray, positions: pa.ChunkedArray
) -> pa.Array:
    """Return the raw bytes (large_binary) of the landed messages at these places, in their order."""
    wanted = pa.table({"feed": feeds, "partition": partitions, "position": positions})
    wanted = wanted.append_column("row", pa.array(np.arange(len(wanted))))
    rows: list[pa.ChunkedArray] = []
    bodies: list[pa.ChunkedArray] = []
    for feed, partition in _partitions(wanted):
        rest = wanted.filter(_is_of(wanted, feed, partition))
        for segment, span in landing.spans(feed, partition):
            is_inside = pc.and_(
                pc.greater_equal(rest["position"], span.first), pc.less_equal(rest["position"], span.last)
            )
            part = rest.filter(is_inside)
            if len(part) == 0:
                continue
            messages = landing.read(segment, ["feed", "partition", "position", "body"])
            messages = messages.filter(_is_of(messages, feed, partition))
            index = np.searchsorted(messages["position"].to_numpy(), part["position"].to_numpy())
            rows.append(part["row"])
            bodies.append(messages["body"].take(pa.array(index)))
            rest = rest.filter(pc.invert(is_inside))
    order = pc.sort_indices(pa.chunked_array([chunk for row in rows for chunk in row.chunks], pa.int64()))
    return pa.chunked_array([chunk for body in bodies for chunk in body.chunks], pa.large_binary()).take(
        order
    )


def _partitions(places: pa.Table) -> list[tuple[str, str]]:
    distinct = places.select(["feed", "partition"]).group_by(["feed", "partition"]).aggregate([])
    return list(zip(distinct["feed"].to_pylist(), distinct["partition"].to_pylist(), strict=True))


def _is_of(places: pa.Table, feed: str, partition: str) -> pa.Array:
    return pc.and_(pc.equal(places["feed"], feed), pc.equal(places["partition"], partition))
