"""Let an engine decide on what was recorded, and store the deliveries that follow, in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from resources import crashpoints
from resources.notifications.bookkeeping import plan_and_store, read_standing
from resources.notifications.burying import record
from resources.notifications.database import Database
from resources.notifications.decisions import Circumstances, Decision, Engine, Everyone, Silence
from resources.notifications.digests import reminder
from resources.notifications.events import Event
from resources.notifications.hushing import hush
from resources.notifications.schema import events, incidents, silences, standings

_log = logging.getLogger(__name__)
_DECODED_AT_ONCE = 2_000
_REMINDED_AT_ONCE = 200
_STANDING_KEY = ("incident", "policy", "channel")


@dataclass(slots=True)
class Decider:
    """Decides with one engine; when that fails on an event, `everyone` hears of it: nobody is left out."""

    database: Database
    engine: Engine
    everyone: Everyone
    _opened: dict[str, Event] = field(default_factory=dict, init=False, repr=False)
    _silences: tuple[Silence, ...] = field(default=(), init=False, repr=False)

    def decide_next(self, limit: int, now: datetime) -> int:
        """Decide on the `limit` events recorded first that are undecided; return how many those were.

        Several processes may do so at once: they come one after the other.
        """
        with self.database.reading() as connection:
            if not _undecided(connection, 1):
                return 0
        with self.database.writing(alone=True) as connection:
            found = _undecided(connection, limit)
            recorded = [msgspec.json.decode(body, type=Event) for _, body in found]
            decided = self._decisions(connection, recorded, now)
            matched = plan_and_store(connection, self.database, decided, now)
            is_matched = dict(zip((seq for seq, _ in found), matched, strict=True))
            for value in (True, False):
                chosen = [seq for seq, is_one in is_matched.items() if is_one is value]
                if chosen:
                    update = sa.update(events).where(events.c.seq.in_(chosen))
                    connection.execute(update.values(matched=value))
            crashpoints.reached("notify.decisions_stored")
        if found:
            crashpoints.reached("notify.events_decided")
        return len(found)

    def remind(self, now: datetime) -> int:
        """Tell again of incidents that are still open, as their policies say; return how many times.

        What was muted until now is told for the first time, unless it is muted anew.
        """
        is_due = standings.c.remind_at <= now
        with self.database.reading() as connection:
            if connection.execute(sa.select(standings.c.incident).where(is_due).limit(1)).first() is None:
                return 0
        with self.database.writing(alone=True) as connection:
            rows = connection.execute(sa.select(standings).where(is_due).limit(_REMINDED_AT_ONCE)).all()
            opened = dict(self._open_incidents(connection))
            circumstances = Circumstances(now, silences_at(connection, now), opened)
            for row in rows:
                self._remind(connection, row, circumstances)
        return len(rows)

    def hush(self, now: datetime) -> int:
        """Mute notices that wait for what a silence covers that has come into force; return how many."""
        with self.database.reading() as connection:
            in_force = silences_at(connection, now)
        before, self._silences = self._silences, in_force
        if {silence.silence_id for silence in in_force} <= {silence.silence_id for silence in before}:
            return 0
        with self.database.writing(alone=True) as connection:
            opened = dict(self._open_incidents(connection))
            circumstances = Circumstances(now, in_force, opened)
            return hush(connection, lambda event: self._asked(event, circumstances), now)

    def _remind(self, connection: sa.Connection, row: sa.Row[Any], circumstances: Circumstances) -> None:
        standing, now = read_standing(row), circumstances.now
        opening = circumstances.open_incidents.get(row.incident)
        asked = [] if opening is None else self._asked(opening, circumstances)
        fresh = [d for d in asked if (d.policy, d.channel) == (row.policy, row.channel)]
        decision = replace(fresh[0], group_key=standing.decision.group_key) if fresh else standing.decision
        number = row.reminders + (not decision.muted)
        is_repeated = decision.repeat_s > 0 and number < decision.repeats
        again = now + timedelta(seconds=decision.repeat_s) if is_repeated else None
        remind_at = decision.muted_until if decision.muted else again
        is_this = sa.and_(*(standings.c[name] == getattr(row, name) for name in _STANDING_KEY))
        values = {"remind_at": remind_at, "reminders": number}
        connection.execute(sa.update(standings).where(is_this).values(values))
        if opening is not None and not decision.muted:
            told = reminder(opening, row.policy, row.channel, number, now)
            record(connection, self.database, told, now)
            is_told = events.c.event_key == told.event_key
            connection.execute(sa.update(events).where(is_told).values(matched=True))
            plan_and_store(connection, self.database, [(told, [decision])], now)

    def _decisions(
        self, connection: sa.Connection, recorded: Sequence[Event], now: datetime
    ) -> list[tuple[Event, Sequence[Decision]]]:
        opened = dict(self._open_incidents(connection))
        circumstances = Circumstances(now, silences_at(connection, now), opened)
        decided = []
        for event in recorded:
            decided.append((event, self._asked(event, circumstances)))
            if event.incident and event.is_recovery:
                opened.pop(event.incident, None)
            elif event.opens:
                opened.setdefault(event.incident, event)
        self._keep_open(connection, opened)
        return decided

    def _asked(self, event: Event, circumstances: Circumstances) -> Sequence[Decision]:
        try:
            return list(self.engine(event, circumstances))
        except Exception:  # noqa: BLE001 - the rim: a bug in one policy must not stop the rest
            _log.exception("the policies cannot decide on %s; every channel is told", event.event_key)
            return self.everyone(event, circumstances)

    def _open_incidents(self, connection: sa.Connection) -> Mapping[str, Event]:
        keys: dict[str, str] = dict(
            connection.execute(sa.select(incidents.c.incident, incidents.c.event_key)).all()
        )
        self._opened = {
            name: event for name, event in self._opened.items() if keys.get(name) == event.event_key
        }
        missing = [keys[name] for name in keys if name not in self._opened]
        for begin in range(0, len(missing), _DECODED_AT_ONCE):
            query = sa.select(events.c.body).where(
                events.c.event_key.in_(missing[begin : begin + _DECODED_AT_ONCE])
            )
            found = [msgspec.json.decode(body, type=Event) for body in connection.scalars(query)]
            self._opened |= {event.incident: event for event in found}
        return self._opened

    def _keep_open(self, connection: sa.Connection, opened: Mapping[str, Event]) -> None:
        before = self._opened
        closed = [name for name in before if name not in opened or opened[name] is not before[name]]
        if closed:
            connection.execute(sa.delete(incidents).where(incidents.c.incident.in_(closed)))
        new = [
            {"incident": name, "event_key": event.event_key, "opened_at": event.occurred_at}
            for name, event in opened.items()
            if before.get(name) is not event
        ]
        if new:
            connection.execute(sa.insert(incidents), new)


def silences_at(connection: sa.Connection, now: datetime) -> tuple[Silence, ...]:
    """Return the silences in force."""
    query = sa.select(silences).where(silences.c.starts_at <= now, silences.c.until > now)
    return tuple(
        Silence(
            row.silence_id,
            msgspec.json.decode(row.matchers, type=dict[str, str]),
            row.starts_at,
            row.until,
            row.reason,
            row.author,
        )
        for row in connection.execute(query.order_by(silences.c.starts_at))
    )


def _undecided(connection: sa.Connection, limit: int) -> Sequence[tuple[int, str]]:
    query = sa.select(events.c.seq, events.c.body).where(events.c.matched.is_(None))
    return connection.execute(query.order_by(events.c.seq).limit(limit)).all()
