"""Conditions that last and then end, as events: ticks that fail, things that pile up or cannot be reached.

A condition is opened and closed under a running number, so that two who look at the same time tell it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resources.notifications.events import Event, EventType, Facts, Severity, Targets, one_line
from resources.notifications.failures import Surroundings, cause


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a condition is worth an event: messages, runs, seconds."""

    queued_runs: int = 100
    queued_s: float = 600.0
    waiting: int = 10_000


@dataclass(frozen=True, slots=True)
class Condition:
    """What may be the matter with one thing; `holds` says whether it is. `at` is when that was seen.

    `incident` names it; `what` says it in one line, `calm` what is told when it is over; `since` is when it
    began, where that is known.
    """

    event_type: EventType
    incident: str
    subject: str
    holds: bool
    at: datetime
    what: str
    calm: str
    how_many: str
    next_step: str
    link: str
    owners: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    since: datetime | None = None
    targets: Targets = field(default_factory=Targets)
    details: Mapping[str, str | int | float] = field(default_factory=dict)

    def event(self, number: int) -> Event:
        """Return the event that the condition holds, or is over, for the time with this number."""
        key = f"{self.event_type}/{self.incident}/{number}"
        told = self.what if self.holds else self.calm
        return Event(
            event_key=key if self.holds else f"{key}/over",
            event_type=self.event_type,
            subject=one_line(self.subject),
            occurred_at=self.at,
            title=one_line(told),
            facts=Facts(
                what_broke=one_line(told),
                since=self.since or self.at,
                how_many=self.how_many,
                owners=self.owners,
                next_step=self.next_step if self.holds else "nothing needs to be done",
                link=self.link,
            ),
            severity=self.severity if self.holds else Severity.INFO,
            incident=self.incident,
            is_recovery=not self.holds,
            targets=self.targets,
            details=self.details,
        )


def tick_failure(
    *,
    instigator: str,
    kind: str,
    tick_id: str,
    chain: Sequence[str],
    failures: int,
    since: datetime,
    at: datetime,
    about: Surroundings,
    targets: Targets,
    is_over: bool = False,
) -> Event:
    """Return the event of a tick that failed, the `failures`th in a row, or of the first good one."""
    key = f"{EventType.TICK_FAILURE}/{targets.location}/{instigator}/{tick_id}"
    what = f"{kind} {instigator} works again" if is_over else f"{kind} {instigator}: {cause(chain)}"
    return Event(
        event_key=f"{key}/over" if is_over else key,
        event_type=EventType.TICK_FAILURE,
        subject=one_line(instigator),
        occurred_at=at,
        title=one_line(f"A tick of {kind} {instigator} {'went well again' if is_over else 'failed'}"),
        facts=Facts(
            what_broke=one_line(what),
            since=since,
            how_many=f"{failures} tick{'' if failures == 1 else 's'} in a row",
            owners=(),
            next_step="nothing needs to be done"
            if is_over
            else f"mend the {kind}: until then it starts no run",
            link=about.link(f"automation?search={instigator}"),
        ),
        severity=Severity.INFO if is_over else Severity.ERROR,
        incident=f"tick/{targets.location}/{instigator}",
        is_recovery=is_over,
        targets=targets,
        details={"consecutive_failures": failures, "instigator_type": kind.upper()},
    )


def run_queue(
    *, waiting: int, oldest_at: datetime | None, limit_s: float, limit: int, at: datetime, about: Surroundings
) -> Condition:
    """Return whether too many runs wait in Dagster's queue, or one of them for too long."""
    waited_s = (at - oldest_at).total_seconds() if oldest_at else 0.0
    return Condition(
        event_type=EventType.RUN_QUEUE_BACKLOG,
        incident="run_queue",
        subject="run queue",
        holds=waiting >= limit or waited_s >= limit_s,
        at=at,
        what=f"{waiting} runs wait in the queue, the oldest for {timedelta(seconds=round(waited_s))}",
        calm=f"the run queue moves again: {waiting} runs wait",
        how_many=f"{waiting} runs",
        next_step="see what the runs under way wait for: pools, concurrency limits, a daemon that is down",
        link=about.link("runs?statuses=QUEUED"),
        severity=Severity.WARNING,
        since=oldest_at,
        details={"waiting": waiting, "oldest_s": round(waited_s)},
    )


def broker_backlog(
    *, feed: str, waiting: int, limit: int, at: datetime, about: Surroundings, owners: tuple[str, ...] = ()
) -> Condition:
    """Return whether too much waits in the broker: messages, or files where it is the inbox folder."""
    return Condition(
        event_type=EventType.QUEUE_BACKLOG,
        incident=f"backlog/{feed}",
        subject=feed,
        holds=waiting >= limit,
        at=at,
        what=f"{waiting:,} wait in feed {feed}, {limit:,} are the limit",
        calm=f"feed {feed} is worked off: {waiting:,} wait",
        how_many=f"{waiting:,} waiting",
        next_step="see that `ingest` runs (or `orders stream`), and whether its last run failed",
        link=about.link("jobs/ingest"),
        owners=owners,
        severity=Severity.WARNING,
        targets=Targets(location=about.location, feed=feed),
        details={"waiting": waiting},
    )


def code_location(*, name: str, error: str | None, at: datetime, about: Surroundings) -> Condition:
    """Return whether a code location cannot be loaded; None stands for no error."""
    return Condition(
        event_type=EventType.CODE_LOCATION_ERROR,
        incident=f"location/{name}",
        subject=name,
        holds=error is not None,
        at=at,
        what=f"code location {name} cannot be loaded: {error}",
        calm=f"code location {name} is loaded again",
        how_many="1 code location",
        next_step="mend its code or environment, then reload it: none of its jobs and sensors run",
        link=about.link("deployment/locations"),
        severity=Severity.CRITICAL,
        targets=Targets(location=name),
    )
