"""Lease due deliveries to a dispatcher, and put their notices together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.notifications.digests import digest
from resources.notifications.events import Event, Notice, Severity
from resources.notifications.schema import attempts, deliveries, events

_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Claim:
    """A notice that is the caller's to send until `leased_until`; its event was recorded at `recorded_at`."""

    notice: Notice
    leased_until: datetime
    recorded_at: datetime


def claim(
    connection: sa.Connection,
    channel: str,
    *,
    limit: int,
    now: datetime,
    due_by: datetime,
    lease_s: float,
) -> list[Claim]:
    """Lease up to `limit` of the channel's deliveries that are due by `due_by`, oldest first.

    Each attempt is counted here, before anything is sent, so that a notice which kills its dispatcher is
    dead in the end as well. What a dispatcher left behind is claimed one at a time, so that such a notice
    takes no others with it.
    """
    rows = [
        *_due(connection, channel, deliveries.c.leased_until.is_(None), due_by, limit),
        *_due(connection, channel, deliveries.c.leased_until <= now, due_by, 1),
    ][:limit]
    if not rows:
        return []
    until = now + timedelta(seconds=lease_s)
    ids = [row.delivery_id for row in rows]
    lease = sa.update(deliveries).where(deliveries.c.delivery_id.in_(ids))
    connection.execute(lease.values(attempts=deliveries.c.attempts + 1, leased_until=until))
    begun = [{"delivery_id": r.delivery_id, "number": r.attempts + 1, "started_at": now} for r in rows]
    connection.execute(sa.insert(attempts), begun)
    return _put_together(connection, rows, until)


def is_due(connection: sa.Connection, channel: str, now: datetime) -> bool:
    """Say whether the channel has anything that could be claimed, without claiming it."""
    for is_free in (deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= now):
        query = _query(sa.select(deliveries.c.seq), channel, is_free, now).limit(1)
        if connection.execute(query).first() is not None:
            return True
    return False


def _query(
    select: "sa.Select[Any]", channel: str, is_free: sa.ColumnElement[bool], due_by: datetime
) -> "sa.Select[Any]":
    before = deliveries.alias("before")
    waits_for = sa.select(before.c.seq).where(
        before.c.delivery_id == deliveries.c.after_id, before.c.state == "pending"
    )
    return select.where(
        deliveries.c.channel == channel,
        deliveries.c.state == sa.literal_column("'pending'"),
        deliveries.c.due_at <= due_by,
        is_free,
        deliveries.c.after_id.is_(None) | ~waits_for.exists(),
    )


def _due(
    connection: sa.Connection,
    channel: str,
    is_free: sa.ColumnElement[bool],
    due_by: datetime,
    limit: int,
) -> Sequence[sa.Row[Any]]:
    query = _query(sa.select(deliveries), channel, is_free, due_by)
    query = query.order_by(deliveries.c.due_at, deliveries.c.seq).limit(limit)
    return connection.execute(query.with_for_update(of=deliveries, skip_locked=True)).all()


def _put_together(connection: sa.Connection, rows: Sequence[sa.Row[Any]], until: datetime) -> list[Claim]:
    keys = {row.event_key for row in rows} | {row.shown_key for row in rows}
    query = sa.select(events.c.event_key, events.c.recorded_at, events.c.body)
    found = {
        key: (recorded_at, msgspec.json.decode(body, type=Event))
        for key, recorded_at, body in connection.execute(query.where(events.c.event_key.in_(keys)))
    }
    told = {key: event for key, (_, event) in found.items()}
    return [Claim(_notice(connection, row, told), until, found[row.shown_key][0]) for row in rows]


def _notice(connection: sa.Connection, row: sa.Row[Any], told: Mapping[str, Event]) -> Notice:
    first, latest = told[row.event_key], told[row.shown_key]
    titles = [first.title, *_titles(connection, row)] if row.members else []
    event, others = digest(first, latest, row.members + 1, titles)
    return Notice(
        delivery_id=row.delivery_id,
        attempt=row.attempts + 1,
        event=event,
        policy=row.policy,
        severity=Severity(row.severity),
        thread=row.thread,
        is_resolved=row.is_resolved,
        count=row.members + 1,
        others=others,
    )


def _titles(connection: sa.Connection, row: sa.Row[Any]) -> list[str]:
    carrier = row.stands_for or row.delivery_id
    query = (
        sa.select(events.c.body)
        .join(deliveries, deliveries.c.event_key == events.c.event_key)
        .where(deliveries.c.carried_by == carrier, deliveries.c.event_key != row.shown_key)
        .order_by(deliveries.c.seq)
        .limit(_SAMPLE)
    )
    return [msgspec.json.decode(body, type=Event).title for body in connection.scalars(query)]
