"""The durable outbox: what was recorded, who gets it, and how far each delivery is.

Every event is undecided, matched or unmatched; every delivery is pending, delivered or dead. Each
method is one transaction, so a process may be killed between two calls or within one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from resources import crashpoints
from resources.clock import Clock, SystemClock
from resources.notifications.events import Event, Notice, delivery_id, one_line
from resources.notifications.retry import RetryPolicy
from resources.notifications.schema import Database, attempts, cursors, deliveries, events

_INSTALLED_AT = "installed_at"


@dataclass(frozen=True, slots=True)
class Counts:
    """The audit: events = matched + unmatched + undecided; deliveries = delivered + pending + dead.

    `undecided` is what was recorded since the dispatcher last looked.
    """

    events: int
    matched: int
    unmatched: int
    undecided: int
    deliveries: int
    delivered: int
    pending: int
    dead: int


class Outbox:
    """The outbox in the SQLite file at `location` (a path or `sqlite:///path`), made if missing.

    All methods raise TransientError when the file is busy or its disk is full, PermanentError when
    it is broken. Close it, or use it as a context manager.
    """

    def __init__(self, location: str | Path, *, clock: Clock | None = None) -> None:
        """Open the outbox; what happens from its first opening on is notified."""
        self._clock = clock or SystemClock()
        self._database = Database(location)
        self._database.create()
        self._set_once(_INSTALLED_AT, self._clock.now().isoformat())

    def __enter__(self) -> Self:
        """Return the outbox itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the outbox."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    @property
    def installed_at(self) -> datetime:
        """The moment this outbox was first opened; nothing older is notified."""
        value = self.cursor(_INSTALLED_AT)
        assert value is not None, "written when the outbox was opened"
        return datetime.fromisoformat(value)

    def cursor(self, name: str) -> str | None:
        """Return how far the reader `name` is, None before its first record."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(cursors.c.value).where(cursors.c.name == name))

    def record(self, found: Sequence[Event], *, cursors_at: Mapping[str, str] | None = None) -> int:
        """Record events and move the cursors in one transaction; return how many events are new.

        An event whose key is there already changes nothing, so reading an overlap again is safe.
        """
        recorded_at = self._clock.now()
        with self._database.writing() as connection:
            new = sum(_insert_event(connection, event, recorded_at) for event in found)
            crashpoints.reached("notify.events_inserted")
            for name, value in (cursors_at or {}).items():
                statement = insert(cursors).values(name=name, value=value)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})
                )
        return new

    def event(self, event_key: str) -> Event | None:
        """Return the recorded event with this key, None when there is none."""
        query = sa.select(events.c.body).where(events.c.event_key == event_key)
        with self._database.reading() as connection:
            body = connection.scalar(query)
        return None if body is None else msgspec.json.decode(body, type=Event)

    def undecided(self, limit: int) -> list[Event]:
        """Return recorded events that no decision was made for, oldest record first."""
        query = sa.select(events.c.body).where(events.c.matched.is_(None))
        with self._database.reading() as connection:
            bodies = connection.scalars(query.order_by(events.c.seq).limit(limit)).all()
        return [msgspec.json.decode(body, type=Event) for body in bodies]

    def decide(self, decisions: Mapping[str, Sequence[str]], *, now: datetime) -> None:
        """Store which channels get each event (by key); none leaves the event unmatched."""
        with self._database.writing() as connection:
            for event_key, channels in decisions.items():
                is_ours = (events.c.event_key == event_key) & events.c.matched.is_(None)
                update = sa.update(events).where(is_ours).values(matched=bool(channels))
                if connection.execute(update).rowcount == 0:
                    continue  # another dispatcher was faster; its decision stands
                for channel in channels:
                    connection.execute(
                        insert(deliveries).values(
                            delivery_id=delivery_id(event_key, channel),
                            event_key=event_key,
                            channel=channel,
                            state="pending",
                            due_at=now,
                        )
                    )

    def claim(self, channel: str, *, due_by: datetime, now: datetime, retry: RetryPolicy) -> Notice | None:
        """Lease the channel's next due delivery to the caller, None when nothing is due.

        The attempt is counted here, before anything is sent, so that a notice which kills its
        dispatcher is dead after `retry.max_attempts` as well.
        """
        free = (
            (deliveries.c.channel == channel)
            & (deliveries.c.state == "pending")
            & (deliveries.c.leased_until.is_(None) | (deliveries.c.leased_until <= now))
        )
        due = sa.select(deliveries.c.seq).where(free, deliveries.c.due_at <= due_by)
        first = due.order_by(deliveries.c.due_at, deliveries.c.seq).limit(1).scalar_subquery()
        lease = (
            sa.update(deliveries)
            .where(deliveries.c.seq == first)
            .values(
                attempts=deliveries.c.attempts + 1,
                leased_until=now + timedelta(seconds=retry.lease_s),
            )
            .returning(deliveries.c.delivery_id, deliveries.c.event_key, deliveries.c.attempts)
        )
        with self._database.writing() as connection:
            used_up = deliveries.c.attempts >= retry.max_attempts
            connection.execute(
                sa.update(deliveries)
                .where(free, used_up)
                .values(state="dead", settled_at=now, leased_until=None)
            )
            row = connection.execute(lease).one_or_none()
            if row is None:
                return None
            connection.execute(
                sa.insert(attempts).values(delivery_id=row.delivery_id, number=row.attempts, started_at=now)
            )
            body = connection.scalar(sa.select(events.c.body).where(events.c.event_key == row.event_key))
        event = msgspec.json.decode(body or "", type=Event)
        return Notice(delivery_id=row.delivery_id, attempt=row.attempts, event=event)

    def delivered(self, notice: Notice, *, now: datetime, outcome: str) -> None:
        """Settle the delivery: the channel holds it. `outcome` is the channel's receipt."""
        with self._database.writing() as connection:
            connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.delivery_id == notice.delivery_id)
                .values(state="delivered", settled_at=now, leased_until=None)
            )
            _end_attempt(connection, notice, now=now, outcome=outcome, error=None)

    def failed(self, notice: Notice, *, now: datetime, error: str, retry_at: datetime | None) -> None:
        """Put the delivery back until `retry_at`, or bury it when that is None.

        Does nothing to a delivery that someone else has claimed or settled since.
        """
        is_dead = retry_at is None
        with self._database.writing() as connection:
            connection.execute(
                sa.update(deliveries)
                .where(
                    deliveries.c.delivery_id == notice.delivery_id,
                    deliveries.c.state == "pending",
                    deliveries.c.attempts == notice.attempt,
                )
                .values(
                    state="dead" if is_dead else "pending",
                    due_at=deliveries.c.due_at if is_dead else retry_at,
                    settled_at=now if is_dead else None,
                    leased_until=None,
                )
            )
            _end_attempt(connection, notice, now=now, outcome="failed", error=one_line(error))

    def counts(self) -> Counts:
        """Count everything in one snapshot."""
        per_match = sa.select(events.c.matched, sa.func.count()).group_by(events.c.matched)
        per_state = sa.select(deliveries.c.state, sa.func.count()).group_by(deliveries.c.state)
        with self._database.reading() as connection:
            by_match: dict[bool | None, int] = dict(connection.execute(per_match).all())
            by_state: dict[str, int] = dict(connection.execute(per_state).all())
        return Counts(
            events=sum(by_match.values()),
            matched=by_match.get(True, 0),
            unmatched=by_match.get(False, 0),
            undecided=by_match.get(None, 0),
            deliveries=sum(by_state.values()),
            delivered=by_state.get("delivered", 0),
            pending=by_state.get("pending", 0),
            dead=by_state.get("dead", 0),
        )

    def _set_once(self, name: str, value: str) -> None:
        statement = insert(cursors).values(name=name, value=value).on_conflict_do_nothing()
        with self._database.writing() as connection:
            connection.execute(statement)


def _insert_event(connection: sa.Connection, event: Event, recorded_at: datetime) -> int:
    statement = insert(events).values(
        event_key=event.event_key,
        event_type=event.event_type.value,
        subject=event.subject,
        occurred_at=event.occurred_at,
        recorded_at=recorded_at,
        body=msgspec.json.encode(event).decode(),
    )
    return connection.execute(statement.on_conflict_do_nothing()).rowcount


def _end_attempt(
    connection: sa.Connection, notice: Notice, *, now: datetime, outcome: str, error: str | None
) -> None:
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.delivery_id == notice.delivery_id, attempts.c.number == notice.attempt)
        .values(ended_at=now, outcome=outcome, error=error)
    )
