"""Reconciliation: reads again, without cursors, what happened lately, and counts what was never recorded.

It must find nothing. What it finds is recorded late rather than never, and the count is kept for the check of
the `notifications` asset. It reads with the observers' own functions, so that both agree on what is worth it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from assets.operations.notifications import RECONCILIATION as NAME
from sensors.observers.ended_runs import ENDED, PAGE, Ended, status_changes, told_of
from sensors.observers.runless import read_runless, told_outside_of_runs
from sensors.observers.scene import Scene

_RUNS_AT_ONCE: Final = 50
_SETTLED: Final = timedelta(minutes=1)
_OVERLAP: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The last reconciliation: when, how far it read, how many runs, what was missing now and ever."""

    at: datetime
    read_to: datetime
    runs: int
    gap: int
    gap_in_all: int
    runless_from: str | None = None


def reconcile(scene: Scene) -> Reconciled:
    """Read the time since the last reconciliation again, an hour of overlap included, and keep the outcome.

    To be called after the observers had their turn in the same look, so that what they have not read yet is
    no gap. What is younger than a minute is left for the next time, as is the rest when time runs out.
    """
    before = scene.position(NAME, Reconciled)
    now = scene.clock.now()
    until = now - _SETTLED
    since = max(scene.installed_at, before.read_to - _OVERLAP) if before else scene.installed_at
    runs, gap = 0, 0
    for chunk in _chunks(_ended_between(scene, since, until)):
        if scene.is_late():
            break
        gap += scene.record(event for event in told_of(scene, chunk) if event.occurred_at <= until)
        runs += len(chunk)
    runless_gap, runless_from = _reconcile_runless(scene, until, before.runless_from if before else None)
    read_to = (before.read_to if before else scene.installed_at) if scene.is_late() else max(until, since)
    in_all = (before.gap_in_all if before else 0) + gap + runless_gap
    outcome = Reconciled(now, read_to, runs, gap + runless_gap, in_all, runless_from)
    scene.record([], {NAME: outcome})
    return outcome


def _ended_between(scene: Scene, since: datetime, until: datetime) -> list[str]:
    found = [r for event_type in ENDED for r in _all_ended(scene, event_type, since)]
    in_time = sorted((r for r in found if r.timestamp <= until.timestamp()), key=lambda r: r.timestamp)
    return list(dict.fromkeys(record.run_id for record in in_time))


def _all_ended(scene: Scene, event_type: Ended, since: datetime) -> Iterator[dg.EventLogRecord]:
    after: int | None = None
    while page := status_changes(scene, event_type, since=since, after=after):
        yield from page
        after = page[-1].storage_id
        if len(page) < PAGE:
            return


def _chunks(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        yield run_ids[start : start + _RUNS_AT_ONCE]


def _reconcile_runless(scene: Scene, until: datetime, begin: str | None) -> tuple[int, str | None]:
    """Return what was missing, and where to begin next time: where this time's last page began."""
    gap = 0
    for records, began in read_runless(scene, begin):
        settled = [record for record in records if record.timestamp <= until.timestamp()]
        gap += scene.record(told_outside_of_runs(scene, settled))
        begin = began
    return gap, begin
