"""What policies would have sent, had they been in force when events were recorded: a rehearsal, pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resources.notifications.decisions import Circumstances, Decision, Engine
from resources.notifications.events import Event


@dataclass(slots=True)
class Rehearsed:
    """What one policy would have sent by one channel.

    `events` were told by `notices`: `grouped` came with another's, `muted` not at all. `recoveries` would
    have followed. `example` is the title of the latest event.
    """

    policy: str
    channel: str
    events: int = 0
    notices: int = 0
    grouped: int = 0
    muted: int = 0
    recoveries: int = 0
    example: str = ""


@dataclass(slots=True)
class Rehearsal:
    """Decides on events in the order in which they occurred, and counts."""

    engine: Engine
    events: int = 0
    unmatched: int = 0
    found: dict[tuple[str, str], Rehearsed] = field(default_factory=dict)
    _open: dict[str, Event] = field(default_factory=dict, repr=False)
    _told: dict[str, list[Rehearsed]] = field(default_factory=dict, repr=False)
    _next_at: dict[tuple[str, str, str], tuple[datetime, datetime]] = field(default_factory=dict, repr=False)

    def play(self, events: Iterable[Event]) -> None:
        """Decide on events, oldest first."""
        for event in events:
            self.events += 1
            told = self._recover(event) if event.is_recovery else []
            if not event.is_mere_recovery:
                self._tell(event, told)

    def results(self) -> list[Rehearsed]:
        """Return the counts, by policy and channel."""
        return [self.found[key] for key in sorted(self.found)]

    def _tell(self, event: Event, recovered: Sequence[Rehearsed]) -> None:
        """Tell all but those that hear of the event as a recovery."""
        asked = self.engine(event, Circumstances(event.occurred_at, open_incidents=dict(self._open)))
        decisions = [each for each in asked if self._row(each) not in recovered]
        if not decisions and not recovered:
            self.unmatched += 1
        if event.opens:
            self._open.setdefault(event.incident, event)
        for decision in decisions:
            row = self._row(decision)
            row.events += 1
            row.example = event.title
            if decision.muted:
                row.muted += 1
                continue
            if event.opens and decision.tells_recovery:
                told = self._told.setdefault(event.incident, [])
                if row not in told:
                    told.append(row)
            if self._leads(decision, event.occurred_at):
                row.notices += 1
            else:
                row.grouped += 1

    def _recover(self, event: Event) -> list[Rehearsed]:
        """Tell those who heard of the opening; return them."""
        self._open.pop(event.incident, None)
        told = self._told.pop(event.incident, [])
        if not told and event.is_mere_recovery:
            self.unmatched += 1
        for row in told:
            row.recoveries += 1
        return told

    def _row(self, decision: Decision) -> Rehearsed:
        key = (decision.policy, decision.channel)
        return self.found.setdefault(key, Rehearsed(*key))

    def _leads(self, decision: Decision, at: datetime) -> bool:
        """Say whether the event begins a notice; until that has gone, others of its group join it."""
        if not decision.group_key:
            return True
        key = (decision.policy, decision.channel, decision.group_key)
        goes_at, next_at = self._next_at.get(key, (at, at))
        if key in self._next_at and at < goes_at:
            return False
        goes_at = max(at + timedelta(seconds=decision.group_wait_s), next_at)
        self._next_at[key] = (goes_at, goes_at + timedelta(seconds=decision.group_interval_s))
        return True
