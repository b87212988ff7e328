"""The outbox's tables, the same on SQLite and PostgreSQL; `migrations` makes them."""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

VERSION: Final = 3
STATES: Final = ("pending", "delivered", "grouped", "muted", "dead")
"""Every (matched event, policy, channel) is in exactly one of these."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment, kept naive in the table; SQLite's text form sorts as time does."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store the moment as naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read the moment as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_key", sa.Text, nullable=False, unique=True),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("matched", sa.Boolean, nullable=True),  # null: not decided yet
)
sa.Index("events_by_type", events.c.event_type, events.c.occurred_at)
_undecided = events.c.matched.is_(None)
sa.Index("events_undecided", events.c.seq, sqlite_where=_undecided, postgresql_where=_undecided)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
    sa.Column("event_key", sa.ForeignKey("events.event_key"), nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),  # why it is muted or dead
    sa.Column("thread", sa.Text, nullable=False),
    sa.Column("carried_by", sa.Text, nullable=True),  # grouped: the delivery whose notice stands for it
    sa.Column("shown_key", sa.Text, nullable=False),  # the latest event of the notice
    sa.Column("members", sa.Integer, nullable=False, default=0),  # deliveries that this one carries
    sa.Column("is_resolved", sa.Boolean, nullable=False, default=False),
    sa.Column("after_id", sa.Text, nullable=True),  # the notice of the same group that must be settled first
    sa.Column("fallback_channel", sa.Text, nullable=False, default=""),
    sa.Column("stands_for", sa.Text, nullable=True),  # a fallback: the delivery that is dead
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column(
        "spent", sa.Integer, nullable=False, default=0
    ),  # of the attempts, those before its last replay
    sa.Column("first_due_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("leased_until", UtcDateTime, nullable=True),
    sa.Column("settled_at", UtcDateTime, nullable=True),
    sa.CheckConstraint(f"state IN {STATES!r}", name="delivery_state"),
    sa.CheckConstraint("(state = 'grouped') = (carried_by IS NOT NULL)", name="delivery_carried"),
    sa.UniqueConstraint("event_key", "policy", "channel", name="delivery_of"),
)
_pending = deliveries.c.state == sa.literal_column("'pending'")
sa.Index(
    "deliveries_pending",
    deliveries.c.channel,
    deliveries.c.due_at,
    deliveries.c.seq,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
sa.Index("deliveries_state", deliveries.c.state, deliveries.c.channel)
sa.Index("deliveries_carried", deliveries.c.carried_by)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("deliveries.delivery_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=True),
    sa.Column("outcome", sa.Text, nullable=True),  # null: it runs, or its process died
    sa.Column("error", sa.Text, nullable=True),
)

incidents = sa.Table(  # what is broken now
    "incidents",
    metadata,
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("event_key", sa.ForeignKey("events.event_key"), nullable=False),  # the event that opened it
    sa.Column("opened_at", UtcDateTime, nullable=False),
)

standings = sa.Table(  # who was told of an incident, and is owed its recovery
    "standings",
    metadata,
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("policy", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("group_id", sa.Text, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),  # the policy's decision, as JSON
    sa.Column("is_told", sa.Boolean, nullable=False),  # false while it is muted
    sa.Column("reminders", sa.Integer, nullable=False, default=0),
    sa.Column("remind_at", UtcDateTime, nullable=True),
)
sa.Index("standings_group", standings.c.group_id)
sa.Index("standings_remind", standings.c.remind_at)

groups = sa.Table(  # one policy, channel and group key: its last notice, and when the next may go
    "groups",
    metadata,
    sa.Column("group_id", sa.Text, primary_key=True),
    sa.Column("delivery_id", sa.Text, nullable=False),
    sa.Column("floor_at", UtcDateTime, nullable=False),  # before which that notice could not go
    sa.Column("next_at", UtcDateTime, nullable=False),
)

channels = sa.Table(  # how each channel fares, for all dispatchers alike
    "channels",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # in a row
    sa.Column("failing_since", UtcDateTime, nullable=True),
    sa.Column("dead_since", UtcDateTime, nullable=True),  # notices died since then, and none arrived
    sa.Column("paused_until", UtcDateTime, nullable=True),
    sa.Column("off_since", UtcDateTime, nullable=True),
    sa.Column("off_reason", sa.Text, nullable=False, default=""),
    sa.Column("tokens", sa.Float, nullable=True),
    sa.Column("tokens_at", UtcDateTime, nullable=True),
)

past_events = sa.Table(  # keys of events that were forgotten, and must not be recorded again
    "past_events",
    metadata,
    sa.Column("event_key", sa.Text, primary_key=True),
)

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("silence_id", sa.Text, primary_key=True),
    sa.Column("matchers", sa.Text, nullable=False),  # JSON
    sa.Column("starts_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
