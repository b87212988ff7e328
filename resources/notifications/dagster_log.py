"""What Dagster's event records say of failures, as events; the only place that knows their shape."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

import dagster as dg

from resources.notifications import failures
from resources.notifications.events import Event
from resources.notifications.failures import Surroundings


class _ErrorInfo(Protocol):
    """Dagster's serialized error, which has no public name."""

    @property
    def message(self) -> str: ...

    @property
    def cls_name(self) -> str | None: ...

    @property
    def cause(self) -> "_ErrorInfo | None": ...


IsRepeat: TypeAlias = Callable[[dg.AssetCheckEvaluation, float], bool]
"""Says of a failed evaluation at a time (seconds since the epoch) whether the one before it said the same."""
_PAGE = 25


def repeats(instance: dg.DagsterInstance, since: datetime) -> IsRepeat:
    """Return the judge of repeated check failures; what was evaluated before `since` does not count."""

    def is_repeat(evaluation: dg.AssetCheckEvaluation, at: float) -> bool:
        for earlier, when in _evaluations(instance, evaluation.asset_check_key):
            if when < since.timestamp():
                return False
            if when < at and earlier.partition == evaluation.partition:
                return _told(earlier) == _told(evaluation)
        return False

    return is_repeat


def _told(evaluation: dg.AssetCheckEvaluation) -> tuple[object, ...]:
    bad_rows = evaluation.metadata.get("bad rows")
    return (
        evaluation.passed,
        evaluation.severity,
        evaluation.description,
        bad_rows and bad_rows.value,
    )


def _evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> Iterator[tuple[dg.AssetCheckEvaluation, float]]:
    """Yield the evaluations of a check, newest first, each with its time."""
    cursor: int | None = None
    while page := instance.event_log_storage.get_asset_check_execution_history(key, _PAGE, cursor):
        for record in page:
            event = record.event.dagster_event if record.event else None
            if event and record.event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                yield event.asset_check_evaluation_data, record.event.timestamp
        cursor = page[-1].id


def failures_in(
    records: Iterable[dg.EventLogRecord], about: Surroundings, since: datetime, is_repeat: IsRepeat
) -> list[Event]:
    """Return the failures among one run's records, which are oldest first, that are not before `since`.

    A step that is retried leaves a failure only when its retries are used up; a check that goes on
    failing with the same words is told at its first failure only.
    """
    failed_steps: list[str] = []
    found: list[Event] = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or record.timestamp < since.timestamp():
            continue
        at = datetime.fromtimestamp(record.timestamp, UTC)
        if event.event_type == dg.DagsterEventType.STEP_FAILURE and event.step_key:
            failed_steps.append(event.step_key)
            found.append(_step_failure(event, record.run_id, at, about))
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE:
            found.append(_job_failure(event, record.run_id, failed_steps, at, about))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and not is_repeat(evaluation, record.timestamp):
                found.append(_check_failure(evaluation, record.run_id, at, about))
    return found


def _step_failure(event: dg.DagsterEvent, run_id: str, at: datetime, about: Surroundings) -> Event:
    return failures.step_failure(
        run_id=run_id,
        job=event.job_name,
        step_key=event.step_key or "",
        chain=_chain(event.step_failure_data.error),
        at=at,
        about=about,
    )


def _job_failure(
    event: dg.DagsterEvent,
    run_id: str,
    failed_steps: Sequence[str],
    at: datetime,
    about: Surroundings,
) -> Event:
    has_data = event.event_specific_data is not None
    chain = _chain(event.job_failure_data.error) if has_data else []
    return failures.job_failure(
        run_id=run_id,
        job=event.job_name,
        chain=chain or [event.message or ""],
        failed_steps=tuple(dict.fromkeys(failed_steps)),
        at=at,
        about=about,
    )


def _check_failure(
    evaluation: dg.AssetCheckEvaluation, run_id: str, at: datetime, about: Surroundings
) -> Event:
    return failures.check_failure(
        run_id=run_id,
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition,
        is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        description=evaluation.description,
        at=at,
        about=about,
    )


def _chain(error: _ErrorInfo | None) -> list[str]:
    chain: list[str] = []
    while error is not None:
        if error.cause is None or not failures.is_wrapper(error.cls_name or ""):
            chain.append(error.message)
        error = error.cause
    return chain
