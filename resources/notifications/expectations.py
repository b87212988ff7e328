"""Looks whether what policies expect came in time, and records what did not, and what came late.

A policy's first look only remembers when it was: what came before was not recorded for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from resources.clock import Clock
from resources.notifications.events import Event
from resources.notifications.outbox import Outbox
from resources.notifications.policies.absence import Window, absence, arrival, due_windows, fulfils
from resources.notifications.policies.policy import Policy


@dataclass(frozen=True, slots=True)
class ExpectationWatch:
    """Watches the policies that have `x_absence`; `link` is where people look first."""

    outbox: Outbox
    policies: Sequence[Policy]
    clock: Clock
    link: str

    def look(self) -> None:
        """Record the absences and late arrivals that are not recorded yet; the same ones once."""
        now = self.clock.now()
        for policy in self.policies:
            if policy.expectation is not None:
                self._look_at(policy, now)

    def _look_at(self, policy: Policy, now: datetime) -> None:
        for window in due_windows([policy], now, self._since(policy, now)):
            came = self._came(policy, window.since, window.until)
            late = None if came else self._came(policy, window.until, now)
            found = [] if came else [absence(window, self.link)]
            if late is not None:
                found.append(arrival(policy, late))
            elif came is not None and self._was_missing(window):
                found.append(arrival(policy, came))
            if found:
                self.outbox.record(found)

    def _since(self, policy: Policy, now: datetime) -> datetime:
        name = f"expected/{policy.name}"
        stored = self.outbox.cursor(name)
        if stored is None:
            self.outbox.record([], cursors_at={name: now.isoformat()})
            return now
        return datetime.fromisoformat(stored)

    def _came(self, policy: Policy, since: datetime, until: datetime) -> Event | None:
        events = self.outbox.recorded_between(since, until, policy.event_types)
        return next((event for event in events if fulfils(policy, event)), None)

    def _was_missing(self, window: Window) -> bool:
        """Say whether the deadline at which this window began was missed, so that this came late."""
        before = Window(window.policy, window.since, window.since)
        return self.outbox.event(absence(before, self.link).event_key) is not None
