"""The ledger, which must balance, and identifiers that came again with other bytes."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from assets.contract.tables import MESSAGE_LEDGER
from assets.frames import delete_rows, execute, fetched, insert_rows
from resources.segments import Landing, Range

_log = logging.getLogger(__name__)
_PLACE: Final = ("feed", "partition")
_NUMBERS: Final = ("landed", "accepted", "duplicates", "rejected")
_TEXTS: Final = pa.schema([(name, pa.string()) for name in _PLACE])
_SCHEMA: Final = pa.unify_schemas([_TEXTS, pa.schema([(name, pa.int64()) for name in _NUMBERS])])
_KNOWN: Final = f"""
SELECT rowid, feed, partition, {", ".join(_NUMBERS)} FROM store.message_ledger
SEMI JOIN given USING (feed, partition)
"""
Change: TypeAlias = Counter[tuple[str, str, str]]
"""What is added to the ledger, by feed, partition and the name of the number."""
_INSERT_REUSED = """
INSERT INTO store.order_anomalies (order_id, anomaly, detail, order_key)
SELECT DISTINCT order_id, 'id_reused', detail, hash(order_id) FROM given
ANTI JOIN store.order_anomalies known
  ON known.order_id = given.order_id AND known.anomaly = 'id_reused' AND known.detail = given.detail
"""


def add_to_ledger(connection: duckdb.DuckDBPyConnection, *changes: Change) -> None:
    """Add changes to the ledger.

    Its rows are replaced, not updated: after an UPDATE DuckDB makes no checkpoint as long as an older
    transaction reads, and reports read for long beside the loads.
    """
    sums = Change()
    for change in changes:
        sums.update(change)
    known = fetched(connection, _KNOWN, _rows(sums))
    for _, feed, partition, *numbers in known:
        sums.update({(feed, partition, name): had for name, had in zip(_NUMBERS, numbers, strict=True)})
    delete_rows(connection, MESSAGE_LEDGER, pa.table({"row": [row for row, *_ in known]}))
    insert_rows(connection, MESSAGE_LEDGER, _rows(sums))


def landed_in(ranges: Sequence[Range]) -> Change:
    """Return what LAND wrote into the footers, as a change of the ledger."""
    change = Change()
    for span in ranges:
        change[span.feed, span.partition, "landed"] += span.rows
    return change


def counted(places: pl.DataFrame | pa.Table, **numbers: int) -> Change:
    """Return a change that adds to the numbers so much for each row of `places` (feed, partition)."""
    if len(places) == 0:
        return Change()
    found = places.select(list(_PLACE))
    texts = found.to_arrow() if isinstance(found, pl.DataFrame) else found
    groups = texts.cast(_TEXTS).group_by(list(_PLACE), use_threads=False).aggregate([([], "count_all")])
    return Change(
        {
            (row["feed"], row["partition"], name): row["count_all"] * number
            for row in groups.to_pylist()
            for name, number in numbers.items()
        }
    )


def _rows(sums: Change) -> pa.Table:
    """Return the sums as rows of the ledger."""
    places = sorted({(feed, partition) for feed, partition, _ in sums})
    numbers = {name: [sums[*place, name] for place in places] for name in _NUMBERS}
    names = {"feed": [feed for feed, _ in places], "partition": [partition for _, partition in places]}
    return pa.table({**names, **numbers}, _SCHEMA)


def record_reused_ids(
    connection: duckdb.DuckDBPyConnection, landing: Landing, duplicates: pl.DataFrame
) -> None:
    """Flag the accepted orders of duplicates whose bytes differ from the accepted message of that id.

    `duplicates` is what `repeats_among` returns. Both messages are read from the segments: nothing is kept
    for a comparison that is so rare.
    """
    repeats = duplicates.to_arrow()
    again = bodies_at(landing, repeats["feed"], repeats["partition"], repeats["position"])
    first = bodies_at(landing, repeats["first_feed"], repeats["first_partition"], repeats["first_position"])
    reused = repeats.filter(pc.not_equal(again, first))
    if len(reused) == 0:
        return
    ids = zip(reused["source"].to_pylist(), reused["event_id"].to_pylist(), strict=True)
    details = pa.array([f"{source} {event_id}" for source, event_id in ids])
    execute(connection, _INSERT_REUSED, pa.table({"order_id": reused["order_id"], "detail": details}))
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
