"""The durable outbox: what was recorded, who gets it, and how far each delivery is.

Every event is undecided, matched or unmatched; every delivery is pending, delivered, grouped, muted or dead.
Each method is one transaction, so a process may be killed between two calls or within one.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
import sqlalchemy as sa

from resources import crashpoints
from resources.clock import Clock, SystemClock
from resources.notifications import auditing, burying, claims, letters, pruning
from resources.notifications.database import Database
from resources.notifications.deciding import Decider, silences_at
from resources.notifications.decisions import Engine, Everyone, Silence
from resources.notifications.events import Event, EventType
from resources.notifications.exchange import Exchange
from resources.notifications.port import DEFAULT_LIMITS, Limits
from resources.notifications.retry import RetryPolicy
from resources.notifications.schema import cursors, events, silences

_INSTALLED_AT = "installed_at"


class Outbox:
    """The outbox at `location`: a path, `sqlite:///path` or `postgresql+psycopg2://…`, made if missing.

    All methods raise TransientError when it is busy, down or its disk is full, PermanentError when it is
    broken. Close it, or use it as a context manager.
    """

    def __init__(self, location: str | Path, *, clock: Clock | None = None) -> None:
        """Open the outbox; what happens from its first opening on is notified."""
        self._clock = clock or SystemClock()
        self._database = Database(location)
        self._database.create()
        if self.cursor(_INSTALLED_AT) is None:
            self._set_once(_INSTALLED_AT, self._clock.now().isoformat())

    def __enter__(self) -> Self:
        """Return the outbox itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the outbox."""
        self.close()

    def __repr__(self) -> str:
        """Name the store without its password."""
        return f"Outbox({self._database.name!r})"

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
            new = sum(burying.record(connection, self._database, event, recorded_at) for event in found)
            crashpoints.reached("notify.events_inserted")
            self._move_cursors(connection, cursors_at or {})
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

    def recorded_between(
        self, since: datetime, until: datetime, types: Collection[EventType], limit: int = 10_000
    ) -> list[Event]:
        """Return events of the types that occurred from `since` on and before `until`, oldest first."""
        query = sa.select(events.c.body).where(
            events.c.occurred_at >= since,
            events.c.occurred_at < until,
            events.c.event_type.in_([kind.value for kind in types]),
        )
        with self._database.reading() as connection:
            bodies = connection.scalars(query.order_by(events.c.occurred_at).limit(limit)).all()
        return [msgspec.json.decode(body, type=Event) for body in bodies]

    def decider(self, engine: Engine, channels: Sequence[str]) -> Decider:
        """Return what decides with `engine`; should that fail on an event, all `channels` get it."""
        return Decider(self._database, engine, Everyone(tuple(channels)))

    def exchange(
        self,
        channel: str,
        retry: RetryPolicy,
        limits: Limits = DEFAULT_LIMITS,
        rng: random.Random | None = None,
    ) -> Exchange:
        """Return what claims and settles the deliveries of one channel."""
        return Exchange(self._database, channel, retry, limits, rng or random.Random())

    def is_due(self, channel: str, now: datetime) -> bool:
        """Say whether the channel has a delivery that could be claimed, in a read that waits for nobody."""
        with self._database.reading() as connection:
            return claims.is_due(connection, channel, now)

    def silence(self, silence: Silence) -> None:
        """Keep a silence; it counts for what is decided from now on, and for what waits unsent."""
        with self._database.writing() as connection:
            connection.execute(
                sa.insert(silences).values(
                    silence_id=silence.silence_id,
                    matchers=msgspec.json.encode(silence.matchers).decode(),
                    starts_at=silence.starts_at,
                    until=silence.until,
                    reason=silence.reason,
                    author=silence.author,
                )
            )

    def end_silence(self, silence_id: str) -> bool:
        """Let a silence end now; False when none of this id is in force."""
        now = self._clock.now()
        is_this = (silences.c.silence_id == silence_id) & (silences.c.until > now)
        with self._database.writing() as connection:
            return connection.execute(sa.update(silences).where(is_this).values(until=now)).rowcount > 0

    def silences(self) -> Sequence[Silence]:
        """Return the silences in force."""
        with self._database.reading() as connection:
            return silences_at(connection, self._clock.now())

    def letters(self, wanted: "letters.Wanted") -> list["letters.Letter"]:
        """Return deliveries, newest first."""
        with self._database.reading() as connection:
            return letters.read(connection, wanted)

    def prune(self, before: datetime) -> int:
        """Forget what was settled before a moment; return how many events. Keys of order events are kept."""
        return pruning.prune(self._database, before)

    def replay(self, delivery_ids: Sequence[str] | None = None, *, channel: str | None = None) -> int:
        """Let dead deliveries be due again under their old ids, with all attempts; return how many.

        Those of the ids, or all; only those of `channel` when it is named.
        """
        with self._database.writing() as connection:
            return letters.replay(connection, delivery_ids, channel, self._clock.now())

    def turn_on(self, channel: str) -> bool:
        """Use a channel again that was turned off, or paused after failures; False when it was neither."""
        with self._database.writing() as connection:
            return letters.turn_on(connection, channel)

    def counts(self) -> auditing.Counts:
        """Count everything in one snapshot."""
        with self._database.reading() as connection:
            return auditing.count(connection)

    def audit(self) -> auditing.Audit:
        """Prove in one snapshot that nobody was left out, or say what is wrong."""
        with self._database.reading() as connection:
            return auditing.audit(connection)

    def channel_states(self) -> list[auditing.ChannelState]:
        """Return how each channel fares that ever had anything to send."""
        with self._database.reading() as connection:
            return auditing.channel_states(connection)

    def _move_cursors(self, connection: sa.Connection, cursors_at: Mapping[str, str]) -> None:
        for name, value in cursors_at.items():
            insert = self._database.insert(cursors).values(name=name, value=value)
            upsert = insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
            connection.execute(upsert)

    def _set_once(self, name: str, value: str) -> None:
        insert = self._database.insert(cursors).values(name=name, value=value)
        with self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing())
