"""Count what the outbox holds, and prove that it adds up."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from resources.notifications.schema import channels, deliveries, events


@dataclass(frozen=True, slots=True)
class Counts:
    """events = matched + unmatched + undecided; deliveries = the sum of their five states.

    `undecided` is what was recorded since the dispatcher last looked; `oldest_pending_at` since when the
    oldest pending delivery is due.
    """

    events: int
    matched: int
    unmatched: int
    undecided: int
    deliveries: int
    delivered: int
    pending: int
    dead: int
    grouped: int = 0
    muted: int = 0
    oldest_pending_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """The counts and what contradicts the promise, by name; all zero when nobody was left out."""

    counts: Counts
    matched_without_delivery: int
    unmatched_with_delivery: int
    carried_by_nobody: int

    @property
    def is_clean(self) -> bool:
        """Whether everything adds up."""
        c = self.counts
        is_whole = c.events == c.matched + c.unmatched + c.undecided
        states = c.delivered + c.pending + c.dead + c.grouped + c.muted
        gaps = self.matched_without_delivery + self.unmatched_with_delivery + self.carried_by_nobody
        return is_whole and c.deliveries == states and gaps == 0


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel fares: failures in a row, since when, until when it is paused, since when it is off."""

    channel: str
    failures: int
    failing_since: datetime | None
    paused_until: datetime | None
    off_since: datetime | None
    off_reason: str
    pending: int
    dead: int


def count(connection: sa.Connection) -> Counts:
    """Count everything."""
    per_match = sa.select(events.c.matched, sa.func.count()).group_by(events.c.matched)
    per_state = sa.select(deliveries.c.state, sa.func.count()).group_by(deliveries.c.state)
    by_match: dict[bool | None, int] = dict(connection.execute(per_match).all())
    by_state: dict[str, int] = dict(connection.execute(per_state).all())
    is_pending = deliveries.c.state == sa.literal_column("'pending'")
    oldest = connection.scalar(sa.select(sa.func.min(deliveries.c.first_due_at)).where(is_pending))
    return Counts(
        events=sum(by_match.values()),
        matched=by_match.get(True, 0),
        unmatched=by_match.get(False, 0),
        undecided=by_match.get(None, 0),
        deliveries=sum(by_state.values()),
        delivered=by_state.get("delivered", 0),
        pending=by_state.get("pending", 0),
        dead=by_state.get("dead", 0),
        grouped=by_state.get("grouped", 0),
        muted=by_state.get("muted", 0),
        oldest_pending_at=oldest,
    )


def audit(connection: sa.Connection) -> Audit:
    """Count everything, and look for what contradicts the promise."""
    has_delivery = sa.exists().where(deliveries.c.event_key == events.c.event_key)
    carrier = deliveries.alias("carrier")
    is_carried = sa.exists().where(
        carrier.c.delivery_id == deliveries.c.carried_by,
        carrier.c.state.in_(("pending", "delivered", "dead")),
        carrier.c.policy == deliveries.c.policy,
        carrier.c.channel == deliveries.c.channel,
    )
    lost = sa.select(sa.func.count()).select_from(events).where(events.c.matched.is_(True), ~has_delivery)
    stray = sa.select(sa.func.count()).select_from(events)
    stray = stray.where(events.c.matched.is_not(True), has_delivery)
    orphan = sa.select(sa.func.count()).select_from(deliveries)
    orphan = orphan.where(deliveries.c.state == "grouped", ~is_carried)
    lost_no, stray_no, orphan_no = (connection.scalar(query) or 0 for query in (lost, stray, orphan))
    return Audit(count(connection), lost_no, stray_no, orphan_no)


def channel_states(connection: sa.Connection) -> list[ChannelState]:
    """Return how each channel fares."""
    by_channel = sa.select(deliveries.c.channel, deliveries.c.state, sa.func.count())
    by_channel = by_channel.where(deliveries.c.state.in_(("pending", "dead")))
    found = {
        (channel, state): number
        for channel, state, number in connection.execute(
            by_channel.group_by(deliveries.c.channel, deliveries.c.state)
        )
    }
    return [
        ChannelState(
            row.channel,
            row.failures,
            row.failing_since,
            row.paused_until,
            row.off_since,
            row.off_reason,
            found.get((row.channel, "pending"), 0),
            found.get((row.channel, "dead"), 0),
        )
        for row in connection.execute(sa.select(channels).order_by(channels.c.channel))
    ]
