"""What was expected by a time and did not come ("the daily run, by 07:00"), as events like any other.

A policy with `x_absence` expects at least one event of its types and targets from one expected time to
the next. The check is a pure question: who asks hands over what was recorded in between.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resources.notifications.events import Event, EventType, Facts, Severity, Targets
from resources.notifications.policies.matching import selected
from resources.notifications.policies.policy import Expectation, Policy


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time (aware UTC) in which a policy's event was expected; `until` is the deadline."""

    policy: Policy
    since: datetime
    until: datetime


def due_windows(policies: Iterable[Policy], now: datetime, installed_at: datetime) -> Iterator[Window]:
    """Yield each expecting policy's window that ended last; none that began before the installation."""
    for policy in policies:
        if policy.expectation is None:
            continue
        ends = list(_deadlines_before(policy.expectation, now))
        if len(ends) == 2 and ends[0] >= installed_at:
            yield Window(policy, ends[0], ends[1])


def fulfils(policy: Policy, event: Event) -> bool:
    """Say whether the event is one that the policy expects."""
    is_asked_for = event.event_type in policy.event_types and not event.is_mere_recovery
    return is_asked_for and selected(policy, event) is None


def absence(window: Window, link: str) -> Event:
    """Return the event that nothing came in the window; the same window always gives the same event."""
    policy = window.policy
    day = window.until.date().isoformat()
    types = ", ".join(sorted(policy.event_types))
    about = "; ".join(target.told for target in policy.targets) or "anything"
    return Event(
        event_key=f"{EventType.ASSET_OVERDUE}/{policy.name}/{window.until.isoformat()}",
        event_type=EventType.ASSET_OVERDUE,
        subject=policy.name,
        occurred_at=window.until,
        title=f"{policy.name}: expected by {window.until:%Y-%m-%d %H:%M} UTC, did not come",
        facts=Facts(
            what_broke=f"no {types} of {about} came from {window.since:%Y-%m-%d %H:%M} UTC on",
            since=window.until,
            how_many=f"1 deadline, of {day}",
            owners=(policy.owner,) if policy.owner else (),
            next_step="see whether the job ran, and whether what starts it (schedule, sensor, cron) is on",
            link=link,
        ),
        severity=Severity.ERROR,
        incident=incident_of(policy),
        targets=Targets(),
        details={"policy": policy.name},
    )


def arrival(policy: Policy, late: Event) -> Event:
    """Return the recovery: what was missing came after all, as the event `late`."""
    return Event(
        event_key=f"{EventType.ASSET_OVERDUE}/{policy.name}/over/{late.event_key}",
        event_type=EventType.ASSET_OVERDUE,
        subject=policy.name,
        occurred_at=late.occurred_at,
        title=f"{policy.name}: came late, at {late.occurred_at:%Y-%m-%d %H:%M} UTC",
        facts=late.facts,
        severity=Severity.INFO,
        incident=incident_of(policy),
        is_recovery=True,
        details={"policy": policy.name},
    )


def incident_of(policy: Policy) -> str:
    """Return the incident that is open while what the policy expects is missing."""
    return f"absence/{policy.name}"


def is_fulfilled(window: Window, recorded: Callable[[datetime, datetime], Iterable[Event]]) -> bool:
    """Say whether an expected event occurred in the window; `recorded` gives the events of a stretch."""
    return any(fulfils(window.policy, event) for event in recorded(window.since, window.until))


def _deadlines_before(expectation: Expectation, now: datetime) -> list[datetime]:
    """Return the last two deadlines up to now, the older first."""
    today = now.astimezone(expectation.zone).date()
    found: list[datetime] = []
    for back in range(16):
        day = today - timedelta(days=back)
        if day.weekday() not in expectation.days:
            continue
        deadline = datetime.combine(day, expectation.expected_by, expectation.zone).astimezone(UTC)
        if deadline <= now:
            found.append(deadline)
        if len(found) == 2:
            break
    return found[::-1]
