"""Runs that have ended, by themselves or marked so from outside, each read whole.

They are found by the storage id of their last status change. Ids can become visible out of order
(PostgreSQL, several writers), so the last minutes are read again each time, and what was read is remembered
for as long; the outbox drops what it knows by the event's key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import dagster as dg

from resources import crashpoints
from resources.notifications.dagster_log import TELLING, Story, story_of
from resources.notifications.events import Event
from sensors.observers.scene import Scene

OVERLAP = timedelta(minutes=10)
_SETTLED = timedelta(minutes=1)  # a surviving step can still write after its run has ended
PAGE = 1000
_RUNS_AT_ONCE = 50

Ended: TypeAlias = Literal[
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_SUCCESS,
]
ENDED: tuple[Ended, ...] = (
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_SUCCESS,
)


@dataclass(frozen=True, slots=True)
class EndedCursor:
    """Read up to `after`; `seen` are the ids within the overlap that were read."""

    after: int
    seen: frozenset[int]


def observe_ended_runs(scene: Scene) -> int:
    """Record what is to be told of ended runs; return how many events are new."""
    return sum(_observe(scene, event_type) for event_type in ENDED)


def told_of(scene: Scene, run_ids: Sequence[str]) -> Iterator[Event]:
    """Yield what the stories of these runs tell."""
    found = scene.instance.get_run_records(dg.RunsFilter(run_ids=list(run_ids)))
    runs = {record.dagster_run.run_id: record.dagster_run for record in found}
    for run_id in run_ids:
        yield from scene.told_in(read_story(scene, run_id, runs.get(run_id)))


def told_of_step(scene: Scene, run_id: str, step_key: str) -> list[Event]:
    """Return what one step of a run tells: not what its other steps do, nor how the run ends."""
    run = scene.instance.get_run_by_id(run_id)
    records = (record for record in _records_of(scene, run_id) if _step_of(record) == step_key)
    return scene.told_in(story_of(run_id, records, run=run))


def read_story(scene: Scene, run_id: str, run: dg.DagsterRun | None) -> Story:
    """Read a run whole."""
    return story_of(run_id, _records_of(scene, run_id), run=run)


def status_changes(
    scene: Scene,
    event_type: Ended,
    *,
    since: datetime | None = None,
    after: int | None = None,
    up_to: int | None = None,
    ascending: bool = True,
    limit: int = PAGE,
) -> Sequence[dg.EventLogRecord]:
    """Return a page of the runs that came to this end."""
    wanted = dg.RunStatusChangeRecordsFilter(
        event_type,
        after_timestamp=since.timestamp() if since else None,
        after_storage_id=after,
        before_storage_id=None if up_to is None else up_to + 1,
    )
    return scene.instance.fetch_run_status_changes(wanted, limit, ascending=ascending).records


def _records_of(scene: Scene, run_id: str) -> Iterator[dg.EventLogRecord]:
    cursor, has_more = None, True
    while has_more:
        page = scene.instance.get_records_for_run(run_id, cursor, set(TELLING), PAGE)
        yield from page.records
        cursor, has_more = page.cursor, page.has_more


def _step_of(record: dg.EventLogRecord) -> str | None:
    event = record.event_log_entry.dagster_event
    return event.step_key if event else None


def _observe(scene: Scene, event_type: Ended) -> int:
    name = f"dagster/{event_type.value}"
    stored = scene.position(name, EndedCursor)
    position = stored or EndedCursor(_end_of_history(scene, event_type), frozenset())
    todo, position = _read_again(scene, event_type, position)
    recorded = 0
    has_more = True
    while has_more:
        page = status_changes(scene, event_type, since=scene.installed_at, after=position.after)
        todo += page
        while todo and not scene.is_late():
            chunk, todo = todo[:_RUNS_AT_ONCE], todo[_RUNS_AT_ONCE:]
            position = _moved(position, {record.storage_id for record in chunk})
            recorded += _record_runs(scene, chunk, {name: position})
        has_more = len(page) == PAGE and not scene.is_late()
    return recorded


def _read_again(
    scene: Scene, event_type: Ended, position: EndedCursor
) -> tuple[list[dg.EventLogRecord], EndedCursor]:
    """Return what the overlap holds that was not seen or can still change; forget what left it."""
    now = scene.clock.now()
    since = max(scene.installed_at, now - OVERLAP)
    recent = status_changes(scene, event_type, since=since, up_to=position.after, ascending=False)
    unsettled = (now - _SETTLED).timestamp()
    again = [r for r in recent if r.storage_id not in position.seen or r.timestamp > unsettled]
    seen = position.seen & {record.storage_id for record in recent}
    return again, EndedCursor(position.after, seen)


def _end_of_history(scene: Scene, event_type: Ended) -> int:
    """Return the id to begin after: the last one when it is older than the outbox, else 0."""
    for record in status_changes(scene, event_type, ascending=False, limit=1):
        if record.timestamp < scene.installed_at.timestamp():
            return record.storage_id
    return 0


def _moved(position: EndedCursor, ids: set[int]) -> EndedCursor:
    return EndedCursor(max(position.after, *ids), position.seen | ids)


def _record_runs(scene: Scene, ended: Sequence[dg.EventLogRecord], positions: Mapping[str, object]) -> int:
    found = list(told_of(scene, list(dict.fromkeys(record.run_id for record in ended))))
    crashpoints.reached("notify.runs_read")
    new = scene.record(found, positions)
    crashpoints.reached("notify.runs_recorded")
    return new
