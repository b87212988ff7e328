"""Order changes that somebody subscribes to, read from `order_events` in the published copy.

The position is the load and the key (source, event_id) within it. A rebuild numbers its loads anew: it is
recognised, everything that landed since the subscription is read again, and the outbox drops what it holds.
Without a subscription nothing is recorded, however many orders come; one that is added counts from then on.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from resources.notifications.events import EventType
from resources.notifications.interest import OrderInterest
from resources.notifications.order_facts import OrderChange, order_event
from sensors.observers.scene import Scene

if TYPE_CHECKING:
    import duckdb

    from assets.platform import Platform

NAME: Final = "orders/events"
_PAGE: Final = 500
_TEN_THOUSANDTH: Final = Decimal("0.0001")
_LOAD_BEFORE: Final = "SELECT coalesce(max(load_no), 0) FROM store.loads WHERE loaded_at < $since"
_LOADED_AT: Final = "SELECT loaded_at FROM store.loads WHERE load_no = $load_no"
_NEWEST: Final = "SELECT coalesce(max(load_no), 0) FROM store.loads"
# An event that is no longer the order's state has no total here: it is read from its segment.
_CHANGES: Final = """
SELECT e.load_no, e.source, e.event_id, e.event_type, e.order_id, e.version, e.kind, e.status,
       CASE WHEN o.source = e.source AND o.event_id = e.event_id THEN o.total END AS amount,
       o.currency, e.occurred_at, e.feed, e.partition, e.position
FROM store.order_events e
LEFT JOIN store.orders o ON o.order_key = e.order_key AND o.order_id = e.order_id
WHERE e.load_no >= $load_no
  AND (e.load_no > $load_no OR (e.source, e.event_id) > ($source, $event_id))
  AND (e.load_no > $rebuilt_to OR e.received_at >= $since)
  AND ($all_statuses OR list_contains($statuses, e.status))
  AND ($all_sources OR list_contains($sources, e.source))
ORDER BY e.load_no, e.source, e.event_id
LIMIT $page
"""


@dataclass(frozen=True, slots=True)
class OrdersCursor:
    """The last event that was looked at; `loaded_at` tells whether the load is still the same one.

    Loads up to `rebuilt_to` were made anew from segments: of these only what landed since the subscription
    counts.
    """

    load_no: int
    source: str = ""
    event_id: str = ""
    loaded_at: datetime | None = None
    rebuilt_to: int = 0


def observe_orders(scene: Scene) -> int:
    """Record the order changes that policies ask for; return how many events are new."""
    since = scene.subscriptions.since.get(EventType.ORDER_EVENT)
    platform = scene.platform
    wanted = scene.interest.orders if scene.interest else None
    if since is None or wanted is None or platform is None or not platform.warehouse.copy.exists():
        return 0
    from resources.warehouse.publish import open_copy

    recorded = 0
    with closing(open_copy(platform.warehouse)) as connection:
        cursor = _begin(scene, connection, since)
        is_done = False
        while not is_done and not scene.is_late():
            rows = _page(connection, cursor, since, wanted)
            is_done = len(rows) < _PAGE
            cursor = _moved(connection, cursor, rows)
            found = [order_event(change, scene.about) for change in _changes(platform, rows)]
            if rows or scene.position(NAME, OrdersCursor) != cursor:
                recorded += scene.record(filter(wanted.asks, found), {NAME: cursor})
    return recorded


def _begin(scene: Scene, connection: "duckdb.DuckDBPyConnection", since: datetime) -> OrdersCursor:
    stored = scene.position(NAME, OrdersCursor)
    if stored is None:
        load_no = _one(connection, _LOAD_BEFORE, {"since": _naive(since)})
        # The load is over, all of its events were before.
        return OrdersCursor(load_no, "\U0010ffff", "", _loaded_at(connection, load_no))
    if stored.load_no == 0 or _loaded_at(connection, stored.load_no) == stored.loaded_at:
        return stored
    return OrdersCursor(0, rebuilt_to=_one(connection, _NEWEST, {}))


def _loaded_at(connection: "duckdb.DuckDBPyConnection", load_no: int) -> datetime | None:
    moment = _one(connection, _LOADED_AT, {"load_no": load_no})
    return moment.replace(tzinfo=UTC) if moment else None


def _one(connection: "duckdb.DuckDBPyConnection", query: str, parameters: Mapping[str, object]) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return row[0] if row else None


def _page(
    connection: "duckdb.DuckDBPyConnection",
    cursor: OrdersCursor,
    since: datetime,
    wanted: OrderInterest,
) -> list[tuple[Any, ...]]:
    """Return the next events whose status and source the policies ask for; the rest is judged afterwards."""
    return connection.execute(
        _CHANGES,
        {
            "load_no": cursor.load_no,
            "source": cursor.source,
            "event_id": cursor.event_id,
            "rebuilt_to": cursor.rebuilt_to,
            "since": _naive(since),
            "all_statuses": not wanted.statuses,
            "statuses": sorted(wanted.statuses),
            "all_sources": not wanted.sources,
            "sources": sorted(wanted.sources),
            "page": _PAGE,
        },
    ).fetchall()


def _moved(
    connection: "duckdb.DuckDBPyConnection", cursor: OrdersCursor, rows: Sequence[tuple[Any, ...]]
) -> OrdersCursor:
    if not rows:
        return cursor
    load_no, source, event_id = rows[-1][:3]
    loaded_at = _loaded_at(connection, load_no)
    return replace(cursor, load_no=load_no, source=source, event_id=event_id, loaded_at=loaded_at)


def _changes(platform: "Platform", rows: Sequence[tuple[Any, ...]]) -> Iterator[OrderChange]:
    superseded = [row[11:14] for row in rows if row[8] is None]
    given = _given(platform, superseded) if superseded else {}
    for row in rows:
        amount, currency = (row[8], row[9]) if row[8] is not None else given[row[11:14]]
        yield OrderChange(
            source=row[1],
            event_id=row[2],
            event_type=row[3],
            order_id=row[4],
            version=row[5],
            kind=row[6],
            status=row[7],
            amount=amount,
            currency=currency,
            occurred_at=row[10].replace(tzinfo=UTC),
            feed=row[11],
        )


def _given(
    platform: "Platform", places: Sequence[tuple[str, str, int]]
) -> dict[tuple[str, str, int], tuple[Decimal, str]]:
    """Return total and currency as the messages at these places (feed, partition, position) give them."""
    import pyarrow as pa

    from assets.contract.judge import Accepted, judge
    from assets.orders.ledger import bodies_at

    columns = [pa.chunked_array([pa.array(column)]) for column in zip(*places, strict=True)]
    found: dict[tuple[str, str, int], tuple[Decimal, str]] = {}
    for place, body in zip(places, bodies_at(platform.landing, *columns).to_pylist(), strict=True):
        verdict = judge(body, max_bytes=platform.max_message_bytes)
        if isinstance(verdict, Accepted):
            lines = sum(line.quantity * line.unit_price for line in verdict.lines)
            total = lines + verdict.shipping + verdict.tax - verdict.discount
            found[place] = (total * _TEN_THOUSANDTH, verdict.currency)
    return found


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
