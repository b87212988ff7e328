"""Deliveries as people look at them, and what they may do: replay what is dead, turn a channel on again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.notifications.events import Event
from resources.notifications.schema import attempts, channels, deliveries, events


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries; None for all."""

    state: str | None = None
    channel: str | None = None
    delivery_id: str | None = None
    event_key: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery. `reason` is why it is muted or dead, `last_error` what its last failure was.

    `carried_by` is the delivery whose notice stands for a grouped one, `members` how many it stands for.
    """

    delivery_id: str
    event_key: str
    event_type: str
    title: str
    policy: str
    channel: str
    state: str
    reason: str
    attempts: int
    due_at: datetime
    settled_at: datetime | None
    carried_by: str | None
    members: int
    last_error: str


def read(connection: sa.Connection, wanted: Wanted) -> list[Letter]:
    """Return deliveries, newest first."""
    last_error = (
        sa.select(attempts.c.error)
        .where(attempts.c.delivery_id == deliveries.c.delivery_id, attempts.c.error.is_not(None))
        .order_by(attempts.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(deliveries, events.c.event_type, events.c.body, last_error.label("last_error"))
        .join(events, events.c.event_key == deliveries.c.event_key)
        .where(*_conditions(wanted))
        .order_by(deliveries.c.seq.desc())
        .limit(wanted.limit)
    )
    return [_letter(row) for row in connection.execute(query)]


def replay(
    connection: sa.Connection, delivery_ids: Sequence[str] | None, channel: str | None, now: datetime
) -> int:
    """Let dead deliveries be due again; return how many."""
    update = sa.update(deliveries).where(deliveries.c.state == "dead")
    if delivery_ids is not None:
        update = update.where(deliveries.c.delivery_id.in_(delivery_ids))
    if channel is not None:
        update = update.where(deliveries.c.channel == channel)
    values = {
        "state": "pending",
        "reason": "",
        "settled_at": None,
        "leased_until": None,
        "first_due_at": now,
        "due_at": now,
    }
    return connection.execute(update.values(**values, spent=deliveries.c.attempts)).rowcount


def turn_on(connection: sa.Connection, channel: str) -> bool:
    """Forget that the channel was off or failing; False when it was neither."""
    was_held = channels.c.off_since.is_not(None) | (channels.c.failures > 0)
    update = sa.update(channels).where(channels.c.channel == channel, was_held)
    values = {"off_since": None, "off_reason": "", "failures": 0, "failing_since": None, "paused_until": None}
    return connection.execute(update.values(values)).rowcount > 0


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    chosen = {name: getattr(wanted, name) for name in ("state", "channel", "delivery_id", "event_key")}
    return [deliveries.c[name] == value for name, value in chosen.items() if value is not None]


def _letter(row: sa.Row[Any]) -> Letter:
    return Letter(
        delivery_id=row.delivery_id,
        event_key=row.event_key,
        event_type=row.event_type,
        title=msgspec.json.decode(row.body, type=Event).title,
        policy=row.policy,
        channel=row.channel,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        due_at=row.due_at,
        settled_at=row.settled_at,
        carried_by=row.carried_by,
        members=row.members,
        last_error=row.last_error or "",
    )
