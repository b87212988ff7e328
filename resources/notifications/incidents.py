"""What is open: each incident's state, kept beside the cursors and written with the events that change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from resources.notifications.condition_facts import Condition
from resources.notifications.events import Event
from resources.notifications.interest import QUIET, Subscriptions
from resources.notifications.outbox import Outbox

_NOBODY = Subscriptions({})


@dataclass(frozen=True, slots=True)
class State:
    """One incident: is it open, since which event, and how often was it opened."""

    is_open: bool
    at: datetime
    number: int


class Incidents:
    """The incidents as one transaction sees them; `changes` are the cursors to be written with its events."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        """Read states by `read`, which is the outbox's `cursor`."""
        self._read = read
        self._states: dict[str, State | None] = {}
        self.changes: dict[str, str] = {}

    def state(self, incident: str) -> State | None:
        """Return the state of an incident, None when it was never opened."""
        if incident not in self._states:
            stored = self._read(_cursor(incident))
            self._states[incident] = msgspec.json.decode(stored, type=State) if stored else None
        return self._states[incident]

    def admit(self, event: Event, subscriptions: Subscriptions) -> Event | None:
        """Return the event as it is to be recorded, None when it is not worth it; keep its incident's state.

        A success that comes after what is open closes it, and says so.
        """
        if not event.incident:
            return event if subscriptions.asks_for(event) else None
        if event.event_type in QUIET or event.is_recovery:
            return self._closing(event, subscriptions)
        self._open(event)
        return event

    def _open(self, event: Event) -> None:
        state = self.state(event.incident)
        if state is None or event.occurred_at > state.at:
            number = (state.number if state else 0) + (0 if state and state.is_open else 1)
            self._set(event.incident, State(True, event.occurred_at, number))

    def _closing(self, event: Event, subscriptions: Subscriptions) -> Event | None:
        state = self.state(event.incident)
        if state is not None and state.is_open and event.occurred_at >= state.at:
            self._set(event.incident, State(False, event.occurred_at, state.number))
            return _as_recovery(event, state.at)
        is_wanted = event.event_type in QUIET and subscriptions.asks_for(event)
        return event if is_wanted else None

    def _set(self, incident: str, state: State) -> None:
        self._states[incident] = state
        self.changes[_cursor(incident)] = msgspec.json.encode(state).decode()


def record_conditions(outbox: Outbox, conditions: Sequence[Condition]) -> int:
    """Record which conditions have begun or ended since the last look; return how many events are new."""
    incidents = Incidents(outbox.cursor)
    found: list[Event] = []
    for condition in conditions:
        state = incidents.state(condition.incident)
        number, is_open = (state.number, state.is_open) if state else (0, False)
        if condition.holds != is_open:
            event = condition.event(number if is_open else number + 1)
            found += [told] if (told := incidents.admit(event, _NOBODY)) else []
    return outbox.record(found, cursors_at=incidents.changes) if found else 0


def _as_recovery(event: Event, since: datetime) -> Event:
    return replace(event, is_recovery=True, facts=replace(event.facts, since=min(since, event.facts.since)))


def _cursor(incident: str) -> str:
    return f"incident/{incident}"
