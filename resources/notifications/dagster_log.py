"""What Dagster's event records say, as plain values; the only place that knows their shape."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

import dagster as dg

from resources.notifications import failures
from resources.notifications.events import Targets

TELLING: Final = frozenset(
    {
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
    }
)
"""The events of a run that its story is made of."""


class ErrorInfo(Protocol):
    """Dagster's serialized error, which has no public name."""

    @property
    def message(self) -> str: ...

    @property
    def cls_name(self) -> str | None: ...

    @property
    def cause(self) -> "ErrorInfo | None": ...

    @property
    def context(self) -> "ErrorInfo | None": ...


IsRepeat: TypeAlias = Callable[[dg.AssetCheckEvaluation, float], bool]
"""Says of a failed evaluation at a time (seconds since the epoch) whether the one before it said the same."""
_PAGE = 25
_COLUMNS = "dagster/column_schema"


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, when, and what was said of it."""

    event_type: dg.DagsterEventType
    at: datetime
    message: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that failed for good."""

    step_key: str
    at: datetime
    chain: tuple[str, ...]


@dataclass(slots=True)
class Materialized:
    """What a run made of one asset; `columns` are those of its first materialization, None without any."""

    step_key: str
    at: datetime
    partitions: list[str] = field(default_factory=list)
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A verdict of a check; `timestamp` is the record's own, which a datetime would round."""

    evaluation: dg.AssetCheckEvaluation
    timestamp: float

    @property
    def at(self) -> datetime:
        """When it was given."""
        return datetime.fromtimestamp(self.timestamp, UTC)


@dataclass(slots=True)
class Story:
    """What happened in one run, or outside of runs where `run_id` is empty."""

    run_id: str
    job: str = ""
    targets: Targets = field(default_factory=Targets)
    started: dict[str, datetime] = field(default_factory=dict)
    succeeded: set[str] = field(default_factory=set)
    planned: dict[str, str] = field(default_factory=dict)  # asset to step
    planned_checks: dict[dg.AssetCheckKey, str] = field(default_factory=dict)
    failed: dict[str, StepFailure] = field(default_factory=dict)
    materialized: dict[str, Materialized] = field(default_factory=dict)
    evaluated: list[Evaluated] = field(default_factory=list)
    end: End | None = None


def story_of(run_id: str, records: Iterable[dg.EventLogRecord], *, run: dg.DagsterRun | None) -> Story:
    """Return the story that a run's records, oldest first, tell; `run` is None when it was deleted."""
    story = Story(run_id, run.job_name if run else "", targets=targets_of(run, run_id))
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            story.job = story.job or event.job_name
            _tell(story, event, record.timestamp)
    return story


def targets_of(run: dg.DagsterRun | None, run_id: str) -> Targets:
    """Return what a policy can select the run by."""
    if run is None:
        return Targets(run_id=run_id)
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin.location_name if origin else ""
    return Targets(location=location, job=run.job_name, run_id=run_id, tags=dict(run.tags))


def _tell(story: Story, event: dg.DagsterEvent, timestamp: float) -> None:
    at = datetime.fromtimestamp(timestamp, UTC)
    step_key = event.step_key or ""
    match event.event_type:
        case dg.DagsterEventType.STEP_START:
            story.started[step_key] = at
        case dg.DagsterEventType.STEP_SUCCESS:
            story.succeeded.add(step_key)
        case dg.DagsterEventType.STEP_FAILURE:
            chain = tuple(chain_of(event.step_failure_data.error))
            story.failed[step_key] = StepFailure(step_key, at, chain)
        case dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            story.planned[_name(event.asset_key)] = step_key
        case dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            story.planned_checks[event.asset_check_planned_data.asset_check_key] = step_key
        case dg.DagsterEventType.ASSET_MATERIALIZATION:
            _tell_materialization(story, event, at)
        case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            story.evaluated.append(Evaluated(event.asset_check_evaluation_data, timestamp))
        case dg.DagsterEventType.RUN_SUCCESS | dg.DagsterEventType.RUN_CANCELED:
            story.end = End(event.event_type, at, event.message or "", ())
        case dg.DagsterEventType.RUN_FAILURE:
            error = event.job_failure_data.error if event.event_specific_data is not None else None
            story.end = End(event.event_type, at, event.message or "", tuple(chain_of(error)))


def _tell_materialization(story: Story, event: dg.DagsterEvent, at: datetime) -> None:
    made = event.step_materialization_data.materialization
    asset = made.asset_key.to_user_string()
    known = story.materialized.setdefault(
        asset, Materialized(event.step_key or "", at, columns=columns_of(made))
    )
    if made.partition:
        known.partitions.append(made.partition)


def columns_of(made: dg.AssetMaterialization) -> dict[str, str] | None:
    """Return the columns of a materialization's schema by name, each with its type; None without a schema."""
    value = made.metadata.get(_COLUMNS)
    if not isinstance(value, dg.TableSchemaMetadataValue):
        return None
    return {column.name: column.type for column in value.schema.columns}


def columns_before(instance: dg.DagsterInstance, asset: str, at: datetime) -> dict[str, str] | None:
    """Return the columns of the asset's last materialization before `at`, None when it had no schema."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey.from_user_string(asset), before_timestamp=at.timestamp()
    )
    for record in instance.fetch_materializations(wanted, limit=1).records:
        if made := record.asset_materialization:
            return columns_of(made)
    return None


def _name(key: dg.AssetKey | None) -> str:
    return key.to_user_string() if key else ""


def chain_of(error: ErrorInfo | None) -> list[str]:
    """Return the messages of an error and its causes, outermost first, without Dagster's wrappers."""
    chain: list[str] = []
    while error is not None:
        beneath = error.cause or error.context
        if beneath is None or not failures.is_wrapper(error.cls_name or ""):
            chain.append(error.message)
        error = beneath
    return chain


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
