"""Runs that have not ended: what is known of them already, how long they take, how many wait to begin."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from resources.notifications import run_facts
from resources.notifications.condition_facts import run_queue
from resources.notifications.dagster_log import targets_of
from resources.notifications.events import Event
from sensors.observers.ended_runs import PAGE, told_of
from sensors.observers.scene import Scene

_DECIDING = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}
_MOST = 100
_POSITION = "dagster/under_way"
_LONG = "dagster/long_running"


def observe_runs_under_way(scene: Scene) -> int:
    """Record what is known of runs that have not ended; return how many events are new.

    Positions only save reading: what is missed here is found when the run ends.
    """
    before = scene.position(_POSITION, dict[str, str]) or {}
    after: dict[str, str] = {}
    changed: list[str] = []
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    for run in scene.instance.get_run_records(wanted, limit=_MOST):
        run_id = run.dagster_run.run_id
        page = scene.instance.get_records_for_run(run_id, before.get(run_id), _DECIDING, PAGE)
        after[run_id] = page.cursor
        changed += [run_id] if page.records else []
    if after == before:
        return 0
    return scene.record(told_of(scene, changed) if changed else [], {_POSITION: after})


def observe_long_runs(scene: Scene) -> int:
    """Record runs that take longer than the policies' limits, and their end; return how many are new."""
    now = scene.clock.now()
    before = scene.position(_LONG, dict[str, list[float]]) or {}
    told_before = {limit_s for told in before.values() for limit_s in told}
    limits = scene.interest.long_running_s if scene.interest else sorted(told_before)
    after: dict[str, list[float]] = {}
    found: list[Event] = []
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in scene.instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=_MOST):
        run_id = record.dagster_run.run_id
        crossed = [s for s in limits if now.timestamp() - _started(record) >= s]
        found += [
            _long_run(scene, record, limit_s, now, is_over=False)
            for limit_s in crossed
            if limit_s not in before.get(run_id, ())
        ]
        if crossed:
            after[run_id] = crossed
    found += _ended_at_last(scene, {run_id: before[run_id] for run_id in before.keys() - after.keys()})
    return scene.record(found, {_LONG: after}) if after != before else 0


def _ended_at_last(scene: Scene, gone: Mapping[str, Sequence[float]]) -> Iterator[Event]:
    if not gone:
        return
    now = scene.clock.now()
    for record in scene.instance.get_run_records(dg.RunsFilter(run_ids=list(gone))):
        for limit_s in gone[record.dagster_run.run_id]:
            yield _long_run(scene, record, limit_s, now, is_over=True)


def _started(record: dg.RunRecord) -> float:
    return record.start_time or record.create_timestamp.timestamp()


def _long_run(scene: Scene, record: dg.RunRecord, limit_s: float, at: datetime, *, is_over: bool) -> Event:
    run = record.dagster_run
    return run_facts.long_running(
        job=run.job_name,
        started_at=datetime.fromtimestamp(_started(record), UTC),
        limit_s=limit_s,
        at=at,
        about=scene.about,
        targets=targets_of(run, run.run_id),
        is_over=is_over,
    )


def observe_run_queue(scene: Scene) -> int:
    """Record when too many runs wait, or one for too long, and when that is over."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
    waiting = scene.instance.get_runs_count(wanted)
    oldest = scene.instance.get_run_records(wanted, limit=1, ascending=True) if waiting else []
    condition = run_queue(
        waiting=waiting,
        oldest_at=oldest[0].create_timestamp.astimezone(UTC) if oldest else None,
        limit_s=scene.limits.queued_s,
        limit=scene.limits.queued_runs,
        at=scene.clock.now(),
        about=scene.about,
    )
    return scene.record_conditions([condition])
