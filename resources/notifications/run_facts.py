"""What else happens to runs, as events: success, cancellation, running for long; and backfills."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from resources.notifications.events import Event, EventType, Facts, Severity, Targets, one_line
from resources.notifications.failures import Surroundings, cause, job_incident


def job_success(*, job: str, at: datetime, about: Surroundings, targets: Targets) -> Event:
    """Return the event of a run that succeeded, which closes what its last failure opened."""
    return Event(
        event_key=f"{EventType.JOB_SUCCESS}/{targets.run_id}",
        event_type=EventType.JOB_SUCCESS,
        subject=one_line(job),
        occurred_at=at,
        title=one_line(f"Job {job} succeeded"),
        facts=Facts(
            what_broke=one_line(f"nothing: job {job} succeeded"),
            since=at,
            how_many="1 run",
            owners=(),
            next_step="nothing needs to be done",
            link=about.run_link(targets.run_id),
        ),
        severity=Severity.INFO,
        incident=job_incident(job),
        targets=targets,
    )


def run_canceled(*, job: str, reason: str, at: datetime, about: Surroundings, targets: Targets) -> Event:
    """Return the event of a run that somebody ended before it was done."""
    return Event(
        event_key=f"{EventType.RUN_CANCELED}/{targets.run_id}",
        event_type=EventType.RUN_CANCELED,
        subject=one_line(job),
        occurred_at=at,
        title=one_line(f"A run of job {job} was canceled"),
        facts=Facts(
            what_broke=one_line(f"job {job}: {reason or 'the run was canceled'}"),
            since=at,
            how_many="1 run",
            owners=(),
            next_step="run the job again if nobody meant to stop it",
            link=about.run_link(targets.run_id),
        ),
        severity=Severity.WARNING,
        targets=targets,
    )


def long_running(
    *,
    job: str,
    started_at: datetime,
    limit_s: float,
    at: datetime,
    about: Surroundings,
    targets: Targets,
    is_over: bool = False,
) -> Event:
    """Return the event of a run that goes on for longer than a limit, or that it has ended at last."""
    elapsed_s = (at - started_at).total_seconds()
    lasting = str(timedelta(seconds=round(elapsed_s)))
    key = f"{EventType.JOB_LONG_RUNNING}/{targets.run_id}/{limit_s:g}"
    return Event(
        event_key=f"{key}/over" if is_over else key,
        event_type=EventType.JOB_LONG_RUNNING,
        subject=one_line(job),
        occurred_at=at,
        title=one_line(
            f"The long run of job {job} has ended" if is_over else f"A run of job {job} takes long: {lasting}"
        ),
        facts=Facts(
            what_broke=one_line(f"job {job}: run under way for {lasting}, the limit is {limit_s:g} s"),
            since=started_at,
            how_many="1 run",
            owners=(),
            next_step="look at the run's newest events: is it at work, or does it wait for something?",
            link=about.run_link(targets.run_id),
        ),
        severity=Severity.INFO if is_over else Severity.WARNING,
        incident=f"long_run/{targets.run_id}/{limit_s:g}",
        is_recovery=is_over,
        targets=targets,
        details={"running_seconds": round(elapsed_s), "threshold_seconds": limit_s},
    )


def backfill_failure(
    *,
    backfill_id: str,
    what: str,
    status: str,
    chain: Sequence[str],
    at: datetime,
    about: Surroundings,
    targets: Targets,
) -> Event:
    """Return the event of a backfill that ended without all of its partitions."""
    told = cause(chain) if chain else f"the backfill ended as {status}: some of its runs failed"
    return Event(
        event_key=f"{EventType.BACKFILL_FAILURE}/{backfill_id}",
        event_type=EventType.BACKFILL_FAILURE,
        subject=one_line(what),
        occurred_at=at,
        title=one_line(f"A backfill of {what} failed"),
        facts=Facts(
            what_broke=one_line(f"backfill {backfill_id} of {what}: {told}"),
            since=at,
            how_many="1 backfill",
            owners=about.owners_of(*targets.assets),
            next_step="open the backfill, mend what failed in its runs, then re-execute it from failure",
            link=about.link(f"runs/b/{backfill_id}"),
        ),
        incident=f"backfill/{what}",
        targets=targets,
        details={"backfill_id": backfill_id, "status": status},
    )


def backfill_success(
    *, backfill_id: str, what: str, at: datetime, about: Surroundings, targets: Targets
) -> Event:
    """Return that a later backfill of the same target succeeded, which closes what the failed one opened."""
    return Event(
        event_key=f"{EventType.BACKFILL_FAILURE}/{backfill_id}/over",
        event_type=EventType.BACKFILL_FAILURE,
        subject=one_line(what),
        occurred_at=at,
        title=one_line(f"A backfill of {what} succeeded"),
        facts=Facts(
            what_broke=one_line(f"nothing: backfill {backfill_id} of {what} succeeded"),
            since=at,
            how_many="1 backfill",
            owners=about.owners_of(*targets.assets),
            next_step="nothing needs to be done",
            link=about.link(f"runs/b/{backfill_id}"),
        ),
        severity=Severity.INFO,
        incident=f"backfill/{what}",
        is_recovery=True,
        targets=targets,
        details={"backfill_id": backfill_id},
    )
