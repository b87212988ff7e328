"""Forget what was settled long ago: events whose deliveries have all come to their end, and those deliveries.

What is undecided, pending, dead or of an open incident stays. The keys of order events are kept for ever,
since a rebuilt warehouse is read from its beginning: what was recorded once is not told again.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from resources.notifications.database import Database
from resources.notifications.events import EventType
from resources.notifications.schema import attempts, deliveries, events, groups, incidents, past_events

_AT_ONCE = 500
_SETTLED = ("delivered", "grouped", "muted")


def prune(database: Database, before: datetime, *, batches: int = 200) -> int:
    """Forget what was recorded and settled before a moment; return how many events.

    Batch by batch, each a short transaction, and at most so many of them: the rest is left to the next time.
    """
    forgotten = 0
    for _ in range(batches):
        with database.writing(alone=True) as connection:
            _forget_groups(connection, before)
            found = _prunable(connection, before)
            _forget(connection, found)
        forgotten += len(found)
        if len(found) < _AT_ONCE:
            break
    return forgotten


def _forget_groups(connection: sa.Connection, before: datetime) -> None:
    """Forget groups whose next notice might have gone long ago, so that they hold no delivery any more."""
    leader = deliveries.alias("leader")
    is_settled = sa.exists().where(leader.c.delivery_id == groups.c.delivery_id, leader.c.settled_at < before)
    connection.execute(sa.delete(groups).where(groups.c.next_at < before, is_settled))


def _prunable(connection: sa.Connection, before: datetime) -> Sequence[tuple[str, str]]:
    carrier = deliveries.alias("carrier")
    is_carried_on = sa.exists().where(
        carrier.c.delivery_id == deliveries.c.carried_by, carrier.c.state.not_in(_SETTLED)
    )
    leads = deliveries.c.delivery_id.in_(sa.select(groups.c.delivery_id))
    is_kept = sa.or_(
        deliveries.c.state.not_in(_SETTLED), deliveries.c.settled_at >= before, is_carried_on, leads
    )
    has_kept = sa.exists().where(deliveries.c.event_key == events.c.event_key, is_kept)
    opens = sa.exists().where(incidents.c.event_key == events.c.event_key)
    query = sa.select(events.c.event_key, events.c.event_type).where(
        events.c.recorded_at < before, events.c.matched.is_not(None), ~has_kept, ~opens
    )
    return connection.execute(query.order_by(events.c.seq).limit(_AT_ONCE)).all()


def _forget(connection: sa.Connection, found: Sequence[tuple[str, str]]) -> None:
    keys = [key for key, _ in found]
    if not keys:
        return
    of_these = sa.select(deliveries.c.delivery_id).where(deliveries.c.event_key.in_(keys))
    ids = connection.scalars(of_these).all()
    # What they carried was delivered with them.
    left = sa.update(deliveries).where(deliveries.c.carried_by.in_(ids), deliveries.c.event_key.not_in(keys))
    connection.execute(left.values(state="delivered", carried_by=None))
    connection.execute(sa.delete(attempts).where(attempts.c.delivery_id.in_(ids)))
    connection.execute(sa.delete(deliveries).where(deliveries.c.delivery_id.in_(ids)))
    connection.execute(sa.delete(events).where(events.c.event_key.in_(keys)))
    orders = [{"event_key": key} for key, kind in found if kind == EventType.ORDER_EVENT]
    if orders:
        connection.execute(sa.insert(past_events), orders)
