"""Merging small segments that are loaded, step by step so that a crash between any two changes nothing.

First the merged file is durable under a hidden name; then the warehouse knows it as loaded; then it takes its
name; then its parts are deleted. LOAD, a rebuild and `verify` are right in each of these states.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from resources.crashpoints import reached
from resources.merging import FAN_IN, Merge, due_merge, leftovers, merged_name, put_in_place, written
from resources.segments import Landing
from resources.warehouse.warehouse import Warehouse, transaction

_NAMES = "SELECT DISTINCT name FROM store.loaded_segments"
_INSIDE = """
FROM store.loaded_ranges r JOIN merged_ranges m
  ON r.feed = m.feed AND r.partition = m.partition
 AND r.first_position >= m.first_position AND r.last_position <= m.last_position
"""
_AS_ONE = f"""
CREATE OR REPLACE TEMP TABLE as_one AS
SELECT m.feed, m.partition, min(r.first_position) AS first_position, max(r.last_position) AS last_position,
       sum(r.rows)::BIGINT AS rows, max(r.load_no) AS load_no
{_INSIDE} GROUP BY m.feed, m.partition
"""
_FORGET = f"DELETE FROM store.loaded_ranges WHERE rowid IN (SELECT r.rowid {_INSIDE})"
_REMEMBER = "INSERT INTO store.loaded_ranges FROM as_one"
_PRUNE = "DELETE FROM store.loaded_segments WHERE name NOT IN (SELECT name FROM present) OR name = $name"
_ADD = "INSERT INTO store.loaded_segments SELECT $name, coalesce(max(load_no), 0) FROM store.loads"


def merge_small_segments(
    warehouse: Warehouse, landing: Landing, *, most: int = 1, fan_in: int = FAN_IN
) -> int:
    """Merge at most `most` groups of small segments that are loaded; return how many segments went.

    Returns 0 also while a rebuild or a backup reads the folder. Raises what `Warehouse.writing` raises, and
    TransientError when the disk is nearly full.
    """
    lease = landing.keeping()
    if not lease.try_acquire():
        return 0
    gone = 0
    try:
        for _ in range(most):
            merged = _merge_once(warehouse, landing, fan_in)
            gone += merged
            if merged == 0:
                break
    finally:
        lease.release()
    return gone


def _merge_once(warehouse: Warehouse, landing: Landing, fan_in: int) -> int:
    segments = landing.segments()
    if left := leftovers(segments):
        with warehouse.writing():
            landing.delete(left)
        return len(left)
    if len(segments) < fan_in or not warehouse.exists():
        return 0
    with warehouse.writing() as connection:
        loaded = {row[0] for row in connection.execute(_NAMES).fetchall()}
    merge = due_merge(segments, loaded, fan_in=fan_in)
    if merge is None:
        return 0
    with written(landing, merge) as partial, warehouse.writing() as connection:
        # Listed again: what another thread loaded meanwhile must stay known.
        names = [segment.name for segment in landing.segments()]
        with transaction(connection):
            _record(connection, merge, names)
            reached("merge.before_commit")
        reached("merge.recorded")
        # Within the lease, so that no load has planned to read what is deleted.
        put_in_place(landing, merge, partial)
    return len(merge.parts)


def _record(connection: duckdb.DuckDBPyConnection, merge: Merge, present: Sequence[str]) -> None:
    """Let the warehouse know the merged segment as loaded, and its ranges as one for each partition.

    The parts stay known until they are gone: should the process die here, nothing has changed for LOAD.
    """
    spans = merge.ranges
    connection.register(
        "merged_ranges",
        pa.table(
            {
                "feed": [span.feed for span in spans],
                "partition": [span.partition for span in spans],
                "first_position": [span.first for span in spans],
                "last_position": [span.last for span in spans],
            }
        ),
    )
    connection.register("present", pa.table({"name": pa.array(present, pa.string())}))
    for statement in (_AS_ONE, _FORGET, _REMEMBER):
        connection.execute(statement)
    connection.execute(_PRUNE, {"name": merged_name(merge)})
    connection.execute(_ADD, {"name": merged_name(merge)})
