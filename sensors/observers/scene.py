"""What an observer is given: where to look, where to record, until when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import dagster as dg
import msgspec

from resources.clock import Clock
from resources.notifications.condition_facts import Condition, Limits
from resources.notifications.dagster_log import Story, columns_before, repeats
from resources.notifications.events import Event, EventType
from resources.notifications.failures import Surroundings
from resources.notifications.incidents import Incidents, record_conditions
from resources.notifications.interest import Interest, Subscriptions
from resources.notifications.outbox import Outbox
from resources.notifications.stories import events_in

if TYPE_CHECKING:
    from assets.platform import Platform

_T = TypeVar("_T")
_SUBSCRIPTIONS = "subscriptions"


@dataclass(frozen=True, slots=True)
class Scene:
    """One look: `deadline` is when the observers stop between two pages; `platform` is None without data."""

    instance: dg.DagsterInstance
    outbox: Outbox
    clock: Clock
    about: Surroundings
    deadline: datetime
    installed_at: datetime
    limits: Limits = field(default_factory=Limits)
    interest: Interest | None = field(default_factory=Interest)
    subscriptions: Subscriptions = field(default_factory=lambda: Subscriptions({}))
    platform: "Platform | None" = None

    def is_late(self) -> bool:
        """Say whether the time is used up."""
        return self.clock.now() >= self.deadline

    def wants(self, event_type: EventType) -> bool:
        """Say whether somebody asks for a quiet type."""
        return event_type in self.subscriptions.since

    def told_in(self, story: Story) -> list[Event]:
        """Return what a story tells since the outbox was installed."""
        return events_in(
            story,
            self.about,
            since=self.installed_at,
            is_repeat=repeats(self.instance, self.installed_at),
            columns_before=lambda asset, at: columns_before(self.instance, asset, at),
            are_retries_possible=self.instance.run_retries_enabled,
        )

    def position(self, name: str, kind: type[_T]) -> _T | None:
        """Return a reader's position, None before its first record."""
        stored = self.outbox.cursor(name)
        return msgspec.json.decode(stored, type=kind) if stored else None

    def record(self, found: Iterable[Event], positions: Mapping[str, object] | None = None) -> int:
        """Record what is worth it, the incidents' states and the positions in one transaction.

        Returns how many events are new.
        """
        incidents = Incidents(self.outbox.cursor)
        in_time = sorted(found, key=lambda event: event.occurred_at)
        admitted = [e for e in (incidents.admit(event, self.subscriptions) for event in in_time) if e]
        cursors = {name: msgspec.json.encode(at).decode() for name, at in (positions or {}).items()}
        if not admitted and not cursors and not incidents.changes:
            return 0
        return self.outbox.record(admitted, cursors_at={**cursors, **incidents.changes})

    def record_conditions(self, conditions: Sequence[Condition]) -> int:
        """Record which conditions have begun or ended since the last look; return how many events are new."""
        return record_conditions(self.outbox, conditions)


def subscriptions_at(outbox: Outbox, interest: Interest | None, now: datetime) -> Subscriptions:
    """Return since when each quiet type is asked for, and keep it: what was before is never told.

    Without a known interest what was asked for before still is.
    """
    stored = outbox.cursor(_SUBSCRIPTIONS)
    before = msgspec.json.decode(stored, type=dict[EventType, datetime]) if stored else {}
    if interest is None:
        return Subscriptions(before)
    since = {event_type: before.get(event_type, now) for event_type in sorted(interest.types)}
    if since != before:
        outbox.record([], cursors_at={_SUBSCRIPTIONS: msgspec.json.encode(since).decode()})
    return Subscriptions(since)
