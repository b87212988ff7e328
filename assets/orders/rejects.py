"""Dead letters: messages that break the contract, kept with their bytes, listed, replayed, discarded.

A decision on a dead letter cannot be derived from anything, so it is landed first, as a message of the
feed `decisions`, and takes effect when LOAD reads it. A rebuild therefore repeats it.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from enum import StrEnum

import duckdb
import pyarrow as pa

from assets.frames import execute
from assets.orders.batches import Forced, Prepared
from assets.orders.plan import BatchPlan, Kind
from resources.segments import Landing

DECISIONS_FEED = "decisions"
_PARTITION = "0"
_LOGGED_A_BATCH = 1_000
_log = logging.getLogger(__name__)


class Decision(StrEnum):
    """What was decided on a dead letter."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


_INSERT = """
INSERT INTO store.rejected_messages
    (rejection_id, feed, partition, position, reason, detail, body, rejected_at, state, segment)
SELECT feed || ':' || partition || ':' || position, feed, partition, position, reason, detail, body,
       received_at, 'open', segment
FROM given
"""


def insert_rejects(connection: duckdb.DuckDBPyConnection, prepared: Prepared) -> pa.Table:
    """Keep the rejected messages of a batch and return them, with their places."""
    rejects = prepared.rejects
    places = prepared.places.take(rejects["event_seq"]).drop_columns(["event_seq"])
    for name in ("reason", "detail", "body"):
        places = places.append_column(name, rejects[name])
    if len(rejects):
        execute(connection, _INSERT, places)
        _log_ids(places)
    return places


def _log_ids(places: pa.Table) -> None:
    """Log which messages were rejected and why, at most 1,000 by name; never what they hold."""
    if not _log.isEnabledFor(logging.INFO):
        return
    columns = ["feed", "partition", "position", "reason", "segment"]
    for row in places.select(columns).slice(0, _LOGGED_A_BATCH).to_pylist():
        rejection_id = f"{row['feed']}:{row['partition']}:{row['position']}"
        ids = {"rejection_id": rejection_id, "segment": row["segment"]}
        _log.info("rejected message %s as %s", rejection_id, row["reason"], extra=ids)
    if len(places) > _LOGGED_A_BATCH:
        _log.info("and %d more rejected messages", len(places) - _LOGGED_A_BATCH)


def land_decisions(
    landing: Landing,
    decision: Decision,
    rejections: Sequence[dict[str, object]],
    *,
    max_bytes: int | None = None,
) -> int:
    """Land one decision on each rejection (rows of `rejected_messages`) and return how many.

    `max_bytes` is the limit under which a replay is to be judged, kept so that a rebuild repeats it.
    """
    if not rejections:
        return 0
    names = ("rejection_id", "feed", "partition", "position", "reason", "detail")
    bodies = [
        json.dumps(
            {"decision": decision, "max_bytes": max_bytes, **{name: row[name] for name in names}}
        ).encode()
        for row in rejections
    ]
    last = landing.last_position(DECISIONS_FEED, _PARTITION)
    first = 0 if last is None else last + 1
    landing.append(
        feed=DECISIONS_FEED,
        partition=_PARTITION,
        positions=range(first, first + len(bodies)),
        bodies=bodies,
        keys=[str(row["rejection_id"]) for row in rejections],
    )
    return len(bodies)


def read_decisions(bodies: Iterable[bytes]) -> list[dict[str, object]]:
    """Parse the bodies of the feed `decisions`."""
    return [json.loads(body) for body in bodies]


def forced_rejections(landing: Landing, plans: Sequence[BatchPlan]) -> Forced:
    """Return the messages that were once rejected and then decided on, with the reason of that time.

    Only a rebuild meets such a message and its decision in one call. It must reject it first, as it
    happened, or a replayed message would count as the first of its id instead of the last, and a
    discarded one would come back under a contract that was mended since.
    """
    forced: Forced = {}
    for plan in plans:
        if plan.kind is not Kind.DECISIONS:
            continue
        for segment in plan.segments:
            for decision in read_decisions(landing.read(segment, ["body"])["body"].to_pylist()):
                place = (
                    str(decision["feed"]),
                    str(decision["partition"]),
                    int(str(decision["position"])),
                )
                forced.setdefault(place, (str(decision["reason"]), str(decision["detail"])))
    return forced
