"""Deliveries that failed for good: kept as dead letters, told as events of their own, sent elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.notifications.bookkeeping import read_standing, standing_values
from resources.notifications.database import Database
from resources.notifications.events import Event, EventType, Facts, Severity, delivery_id, one_line
from resources.notifications.schema import deliveries, events, past_events, standings

_ONE_BY_ONE = 10
_COPIED = ("event_key", "policy", "severity", "thread", "shown_key", "members", "is_resolved")


def bury(
    connection: sa.Connection,
    database: Database,
    which: sa.ColumnElement[bool],
    *,
    now: datetime,
    reason: str,
) -> list[str]:
    """Let the pending deliveries that `which` selects be dead; return their ids.

    Each is told as NOTIFICATION_DEAD, many at once as one event, except those that told of it themselves.
    Their fallback channels get what they had.
    """
    query = (
        sa.select(deliveries, events.c.event_type, events.c.body)
        .join(events, events.c.event_key == deliveries.c.event_key)
        .where(which, deliveries.c.state == "pending")
        .with_for_update(of=deliveries)
    )
    rows = connection.execute(query.order_by(deliveries.c.seq)).all()
    if not rows:
        return []
    ids = [row.delivery_id for row in rows]
    is_one = deliveries.c.delivery_id.in_(ids)
    dead = {"state": "dead", "reason": one_line(reason), "settled_at": now, "leased_until": None}
    connection.execute(sa.update(deliveries).where(is_one).values(dead))
    _fall_back(connection, database, [row for row in rows if row.fallback_channel], now)
    _tell(connection, database, rows, one_line(reason), now)
    return ids


def recovered(
    connection: sa.Connection, database: Database, channel: str, since: datetime, now: datetime
) -> None:
    """Record that the channel delivers again, after what died from `since` on."""
    facts = Facts(
        what_broke=f"nothing any more: channel {channel} delivers again",
        since=since,
        how_many="1 channel",
        owners=(),
        next_step="replay what died meanwhile: orders alerts replay",
        link="",
    )
    record(
        connection,
        database,
        _event(
            f"{channel}/recovered/{since.isoformat()}",
            channel,
            f"Channel {channel} delivers again",
            facts,
            now,
            is_recovery=True,
        ),
        now,
    )


def record(connection: sa.Connection, database: Database, event: Event, now: datetime) -> int:
    """Insert the event unless its key is known; return how many are new."""
    if event.event_type is EventType.ORDER_EVENT and _is_past(connection, event.event_key):
        return 0
    statement = database.insert(events).values(
        event_key=event.event_key,
        event_type=event.event_type.value,
        subject=event.subject,
        occurred_at=event.occurred_at,
        recorded_at=now,
        body=msgspec.json.encode(event).decode(),
    )
    return connection.execute(statement.on_conflict_do_nothing()).rowcount


def _is_past(connection: sa.Connection, event_key: str) -> bool:
    query = sa.select(past_events.c.event_key).where(past_events.c.event_key == event_key)
    return connection.execute(query).first() is not None


def _fall_back(
    connection: sa.Connection, database: Database, rows: Sequence[sa.Row[Any]], now: datetime
) -> None:
    for row in rows:
        values = {name: getattr(row, name) for name in _COPIED}
        elsewhere = {
            **values,
            "delivery_id": delivery_id(row.event_key, row.fallback_channel, row.policy),
            "channel": row.fallback_channel,
            "state": "pending",
            "stands_for": row.delivery_id,
            "first_due_at": now,
            "due_at": now,
        }
        connection.execute(database.insert(deliveries).values(elsewhere).on_conflict_do_nothing())
        _owe_recovery(connection, database, row)


def _owe_recovery(connection: sa.Connection, database: Database, row: sa.Row[Any]) -> None:
    """Let the fallback channel be told of the recovery too."""
    incident = msgspec.json.decode(row.body, type=Event).incident
    told = sa.select(standings).where(
        standings.c.incident == incident,
        standings.c.policy == row.policy,
        standings.c.channel == row.channel,
    )
    for found in connection.execute(told).all():
        standing = read_standing(found, channel=row.fallback_channel)
        insert = database.insert(standings).values(standing_values(standing))
        connection.execute(insert.on_conflict_do_nothing())


def _tell(
    connection: sa.Connection, database: Database, rows: Sequence[sa.Row[Any]], reason: str, now: datetime
) -> None:
    # News of a dead channel that cannot be delivered either makes no further news.
    told = [row for row in rows if row.event_type != EventType.NOTIFICATION_DEAD]
    if len(told) > _ONE_BY_ONE:
        key = f"{told[0].channel}/{told[0].delivery_id}/{len(told)}"
        record(connection, database, _death(key, told, reason, now), now)
        return
    for row in told:
        record(connection, database, _death(f"{row.delivery_id}/{row.attempts}", [row], reason, now), now)


def _death(key: str, rows: Sequence[sa.Row[Any]], reason: str, now: datetime) -> Event:
    row = rows[0]
    facts = Facts(
        what_broke=one_line(f"channel {row.channel}: {reason}"),
        since=row.first_due_at,
        how_many=f"{len(rows)} notice{'s' if len(rows) > 1 else ''}",
        owners=(),
        next_step="mend the channel, then: orders alerts replay",
        # What could not be told is where to look meanwhile.
        link=msgspec.json.decode(row.body, type=Event).facts.link,
    )
    title = f"{facts.how_many} could not be delivered by channel {row.channel}"
    details = {"delivery_id": row.delivery_id, "policy": row.policy, "event_key": row.event_key}
    return _event(key, row.channel, title, facts, now, details=details)


def _event(
    key: str,
    channel: str,
    title: str,
    facts: Facts,
    now: datetime,
    *,
    is_recovery: bool = False,
    details: dict[str, str] | None = None,
) -> Event:
    return Event(
        event_key=f"{EventType.NOTIFICATION_DEAD}/{key}",
        event_type=EventType.NOTIFICATION_DEAD,
        subject=channel,
        occurred_at=now,
        title=title,
        facts=facts,
        severity=Severity.INFO if is_recovery else Severity.ERROR,
        incident=f"channel/{channel}",
        is_recovery=is_recovery,
        details={"channel": channel, **(details or {})},
    )
