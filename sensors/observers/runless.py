"""What was reported outside of runs: materializations, verdicts, the freshness that the daemon evaluates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from resources.notifications.asset_facts import freshness
from resources.notifications.dagster_log import story_of
from resources.notifications.events import Event
from sensors.observers.ended_runs import OVERLAP, PAGE
from sensors.observers.scene import Scene

_RUNLESS = ""
_NAME = "dagster/runless"
_WANTED = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.FRESHNESS_STATE_CHANGE,
}


@dataclass(frozen=True, slots=True)
class RunlessCursor:
    """Where reading begins, and where it shall begin once `since` is an overlap ago."""

    begin: str | None = None
    then: str | None = None
    since: datetime = field(default=datetime.min.replace(tzinfo=UTC))


def observe_runless(scene: Scene) -> int:
    """Record what was reported outside of runs, reading an overlap again; return how many events are new."""
    at = scene.position(_NAME, RunlessCursor) or RunlessCursor()
    recorded = 0
    has_more = True
    while has_more and not scene.is_late():
        now = scene.clock.now()
        is_shift_due = now - at.since > OVERLAP
        begin = at.then if is_shift_due else at.begin
        page = scene.instance.get_records_for_run(_RUNLESS, begin, _WANTED, PAGE)
        has_more = page.has_more
        if has_more:
            at = RunlessCursor(page.cursor, page.cursor, now)
        elif is_shift_due:
            at = RunlessCursor(begin, page.cursor, now)
        found = told_outside_of_runs(scene, page.records)
        is_moved = has_more or is_shift_due
        recorded += scene.record(found, {_NAME: at} if is_moved else {})
    return recorded


def read_runless(scene: Scene, begin: str | None) -> Iterator[tuple[Sequence[dg.EventLogRecord], str | None]]:
    """Yield pages from `begin` on, until time runs out, each with where it began."""
    has_more = True
    while has_more and not scene.is_late():
        page = scene.instance.get_records_for_run(_RUNLESS, begin, _WANTED, PAGE)
        yield page.records, begin
        begin, has_more = page.cursor, page.has_more


def told_outside_of_runs(scene: Scene, records: Sequence[dg.EventLogRecord]) -> list[Event]:
    """Return what these records tell, each for itself: two materializations are two events."""
    found: list[Event] = []
    for record in records:
        if record.timestamp < scene.installed_at.timestamp():
            continue
        event = record.event_log_entry.dagster_event
        if event is not None and event.event_type == dg.DagsterEventType.FRESHNESS_STATE_CHANGE:
            found += _freshness(scene, event)
        else:
            found += scene.told_in(story_of(_RUNLESS, [record], run=None))
    return found


def _freshness(scene: Scene, event: dg.DagsterEvent) -> list[Event]:
    change = event.asset_freshness_state_change_data
    told = freshness(
        asset=change.key.to_user_string(),
        state=change.new_state.value,
        before=change.previous_state.value,
        at=datetime.fromtimestamp(change.state_change_timestamp, UTC),
        about=scene.about,
    )
    return [told] if told else []
