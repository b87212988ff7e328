"""A silence that begins while notices wait: what it covers is muted before it goes out."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from resources.notifications.decisions import Decision
from resources.notifications.events import Event
from resources.notifications.schema import deliveries, events, standings

Asked: TypeAlias = Callable[[Event], Sequence[Decision]]
"""What the policies say of an event now."""
_AT_ONCE = 1_000
_is_waiting = sa.and_(
    deliveries.c.state == "pending",
    deliveries.c.attempts == 0,
    deliveries.c.leased_until.is_(None),
    deliveries.c.is_resolved.is_(False),
)


def hush(connection: sa.Connection, asked: Asked, now: datetime) -> int:
    """Mute notices that nobody has tried to send and whose every event is muted now; return how many.

    Recoveries go out all the same. Who is not told of an incident now is told when the silence ends, if it is
    still open then.
    """
    waiting = sa.select(deliveries).where(_is_waiting).order_by(deliveries.c.seq).limit(_AT_ONCE)
    leaders = connection.execute(waiting.with_for_update(skip_locked=True)).all()
    return sum(_hush(connection, leader, asked, now) for leader in leaders)


def _hush(connection: sa.Connection, leader: sa.Row[Any], asked: Asked, now: datetime) -> bool:
    is_part = sa.or_(
        deliveries.c.delivery_id == leader.delivery_id, deliveries.c.carried_by == leader.delivery_id
    )
    query = sa.select(events.c.body).join(deliveries, deliveries.c.event_key == events.c.event_key)
    told = [msgspec.json.decode(body, type=Event) for body in connection.scalars(query.where(is_part))]
    verdicts = [_verdict(asked(event), leader) for event in told]
    if not all(decision is not None and decision.muted for decision in verdicts):
        return False
    decision = next(decision for decision in verdicts if decision is not None)
    connection.execute(
        sa.update(deliveries)
        .where(is_part)
        .values(state="muted", reason=decision.muted, carried_by=None, settled_at=now)
    )
    for incident in {event.incident for event in told if event.incident}:
        _untell(connection, incident, leader, decision)
    return True


def _verdict(decisions: Sequence[Decision], leader: sa.Row[Any]) -> Decision | None:
    return next((d for d in decisions if (d.policy, d.channel) == (leader.policy, leader.channel)), None)


def _untell(connection: sa.Connection, incident: str, leader: sa.Row[Any], decision: Decision) -> None:
    """Note that the channel knows nothing of the incident, unless an earlier notice told of it."""
    other = sa.select(deliveries.c.seq).where(
        deliveries.c.policy == leader.policy,
        deliveries.c.channel == leader.channel,
        deliveries.c.thread == leader.thread,
        deliveries.c.state.in_(("pending", "delivered")),
    )
    if connection.execute(other.limit(1)).first() is not None:
        return
    is_this = sa.and_(
        standings.c.incident == incident,
        standings.c.policy == leader.policy,
        standings.c.channel == leader.channel,
    )
    untold = {"is_told": False, "remind_at": decision.muted_until}
    connection.execute(sa.update(standings).where(is_this).values(untold))
