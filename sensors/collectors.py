"""Find failed runs, failed steps and failed checks in an instance's event log, and record them.

Finished runs are found by the storage id of their last status change, under a durable cursor in the
outbox, and are then read whole. Ids can become visible out of order (PostgreSQL, several writers), so
the last minutes are read again each time; the outbox drops what it knows by the event's key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import dagster as dg
import msgspec

from resources import crashpoints
from resources.clock import Clock, SystemClock
from resources.notifications.dagster_log import failures_in, repeats
from resources.notifications.events import Event
from resources.notifications.failures import Surroundings
from resources.notifications.outbox import Outbox
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox

_OVERLAP = timedelta(minutes=10)
_SETTLED = timedelta(minutes=1)  # a surviving step can still write after its run has ended
_PAGE = 1000
_RUNS_AT_ONCE = 50
_RUNLESS = ""
_NOWHERE = Surroundings()

_Ended: TypeAlias = Literal[
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_SUCCESS,
]
_ENDED: tuple[_Ended, ...] = (
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_SUCCESS,
)
_TELLING = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
}


def collect(
    instance: dg.DagsterInstance,
    outbox: Outbox,
    clock: Clock,
    *,
    about: Surroundings = _NOWHERE,
    budget_s: float = 30.0,
) -> int:
    """Record what failed since the outbox was installed; return how many events are new.

    Looks at runs that have ended (also when they were marked failed or canceled from outside), at
    those under way, and at checks reported outside of runs. A check that goes on failing in the same
    words is one event. Stops after `budget_s`, between two pages, and goes on there the next time.
    Raises what the outbox and Dagster's storage raise; then the cursors have not moved past anything
    that is not recorded.
    """
    reader = _Reader(instance, outbox, clock, about, clock.now() + timedelta(seconds=budget_s))
    ended = sum(_collect_ended(reader, event_type) for event_type in _ENDED)
    return ended + _collect_under_way(reader) + _collect_runless(reader)


def collector_sensor() -> dg.SensorDefinition:
    """Return the sensor that collects every 5 s; it needs the resource `notification_outbox`.

    A plain sensor, because one that raises keeps its place: a run failure sensor would lose the event.
    """

    @dg.sensor(
        name="notification_collector",
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={RESOURCE_KEY},
        description="Records failed runs, steps and checks in the notification outbox.",
    )
    def notification_collector(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        resource: NotificationOutbox = getattr(context.resources, RESOURCE_KEY)
        with resource.open() as outbox:
            new = collect(context.instance, outbox, SystemClock(), about=resource.surroundings())
        return dg.SkipReason(f"recorded {new} new events")

    return notification_collector


@dataclass(frozen=True, slots=True)
class _Reader:
    instance: dg.DagsterInstance
    outbox: Outbox
    clock: Clock
    about: Surroundings
    deadline: datetime

    def failures_in(self, records: Iterable[dg.EventLogRecord]) -> list[Event]:
        since = self.outbox.installed_at
        return failures_in(records, self.about, since, repeats(self.instance, since))

    def is_late(self) -> bool:
        return self.clock.now() >= self.deadline

    def ended_runs(
        self,
        event_type: _Ended,
        *,
        since: datetime | None = None,
        after: int | None = None,
        up_to: int | None = None,
        ascending: bool = True,
        limit: int = _PAGE,
    ) -> Sequence[dg.EventLogRecord]:
        wanted = dg.RunStatusChangeRecordsFilter(
            event_type,
            after_timestamp=since.timestamp() if since else None,
            after_storage_id=after,
            before_storage_id=None if up_to is None else up_to + 1,
        )
        return self.instance.fetch_run_status_changes(wanted, limit, ascending=ascending).records

    def records_of(self, run_id: str) -> Iterator[dg.EventLogRecord]:
        cursor, has_more = None, True
        while has_more:
            page = self.instance.get_records_for_run(run_id, cursor, _TELLING, _PAGE)
            yield from page.records
            cursor, has_more = page.cursor, page.has_more


@dataclass(frozen=True, slots=True)
class _EndedCursor:
    """Read up to `after`; `seen` are the ids within the overlap that were read."""

    after: int
    seen: frozenset[int]


def _collect_ended(reader: _Reader, event_type: _Ended) -> int:
    name = f"dagster/{event_type.value}"
    installed_at = reader.outbox.installed_at
    stored = reader.outbox.cursor(name)
    position = (
        msgspec.json.decode(stored, type=_EndedCursor)
        if stored
        else _EndedCursor(_end_of_history(reader, event_type, installed_at), frozenset())
    )
    todo, position = _read_again(reader, event_type, position, installed_at)
    recorded = 0
    has_more = True
    while has_more:
        page = reader.ended_runs(event_type, since=installed_at, after=position.after)
        todo += page
        while todo and not reader.is_late():
            chunk, todo = todo[:_RUNS_AT_ONCE], todo[_RUNS_AT_ONCE:]
            position = _moved(position, {record.storage_id for record in chunk})
            recorded += _record_runs(reader, chunk, name, position)
        has_more = len(page) == _PAGE and not reader.is_late()
    return recorded


def _read_again(
    reader: _Reader, event_type: _Ended, position: _EndedCursor, installed_at: datetime
) -> tuple[list[dg.EventLogRecord], _EndedCursor]:
    """Return what the overlap holds that was not seen or can still change; forget what left it."""
    now = reader.clock.now()
    since = max(installed_at, now - _OVERLAP)
    recent = reader.ended_runs(event_type, since=since, up_to=position.after, ascending=False)
    unsettled = (now - _SETTLED).timestamp()
    again = [r for r in recent if r.storage_id not in position.seen or r.timestamp > unsettled]
    seen = position.seen & {record.storage_id for record in recent}
    return again, _EndedCursor(position.after, seen)


def _end_of_history(reader: _Reader, event_type: _Ended, installed_at: datetime) -> int:
    """Return the id to begin after: the last one when it is older than the outbox, else 0."""
    for record in reader.ended_runs(event_type, ascending=False, limit=1):
        if record.timestamp < installed_at.timestamp():
            return record.storage_id
    return 0


def _moved(position: _EndedCursor, ids: set[int]) -> _EndedCursor:
    return _EndedCursor(max(position.after, *ids), position.seen | ids)


def _record_runs(
    reader: _Reader, ended: Sequence[dg.EventLogRecord], name: str, position: _EndedCursor
) -> int:
    found: list[Event] = []
    for run_id in dict.fromkeys(record.run_id for record in ended):
        found += reader.failures_in(reader.records_of(run_id))
    crashpoints.reached("notify.runs_read")
    new = reader.outbox.record(found, cursors_at={name: msgspec.json.encode(position).decode()})
    crashpoints.reached("notify.runs_recorded")
    return new


def _collect_under_way(reader: _Reader) -> int:
    """Record what failed in runs that have not ended; their cursors only save reading.

    What is missed here is found when the run ends.
    """
    name = "dagster/under_way"
    stored = reader.outbox.cursor(name)
    before = msgspec.json.decode(stored, type=dict[str, str]) if stored else {}
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    after: dict[str, str] = {}
    found: list[Event] = []
    for run in reader.instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=100):
        run_id = run.dagster_run.run_id
        page = reader.instance.get_records_for_run(run_id, before.get(run_id), _TELLING, _PAGE)
        found += reader.failures_in(page.records)
        after[run_id] = page.cursor
    if after == before:
        return 0
    return reader.outbox.record(found, cursors_at={name: msgspec.json.encode(after).decode()})


@dataclass(frozen=True, slots=True)
class _RunlessCursor:
    """Where reading begins, and where it shall begin once `since` is an overlap ago."""

    begin: str | None = None
    then: str | None = None
    since: datetime = field(default=datetime.min.replace(tzinfo=UTC))


def _collect_runless(reader: _Reader) -> int:
    """Record failed checks that were reported outside of runs, reading an overlap again."""
    name = "dagster/runless"
    stored = reader.outbox.cursor(name)
    at = msgspec.json.decode(stored, type=_RunlessCursor) if stored else _RunlessCursor()
    wanted = {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    recorded = 0
    has_more = True
    while has_more and not reader.is_late():
        now = reader.clock.now()
        is_shift_due = now - at.since > _OVERLAP
        begin = at.then if is_shift_due else at.begin
        page = reader.instance.get_records_for_run(_RUNLESS, begin, wanted, _PAGE)
        has_more = page.has_more
        if has_more:
            at = _RunlessCursor(page.cursor, page.cursor, now)
        elif is_shift_due:
            at = _RunlessCursor(begin, page.cursor, now)
        found = reader.failures_in(page.records)
        if found or has_more or is_shift_due:
            value = msgspec.json.encode(at).decode()
            recorded += reader.outbox.record(found, cursors_at={name: value})
    return recorded
