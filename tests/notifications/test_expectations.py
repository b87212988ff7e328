"""What a policy expects is watched on the outbox: told once when it is missing, and again when it comes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.notifications.events import Event, EventType, Targets
from resources.notifications.expectations import ExpectationWatch
from resources.notifications.outbox import Outbox
from tests.notifications.policies.samples import event, policy

_BEGUN = datetime(2026, 5, 1, 12, tzinfo=UTC)
_DEADLINE = datetime(2026, 5, 3, 7, tzinfo=UTC)
_POLICY = policy("x_absence: {expected_by: 07:00}", types="[JOB_SUCCESS]")


class _Clock:
    moment = _BEGUN

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> _Clock:
    """Return a clock at the installation."""
    return _Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: _Clock) -> Outbox:
    """Return an outbox in which the watch has looked once, two days before the deadline."""
    box = Outbox(tmp_path / "state.sqlite", clock=clock)
    _look(box, clock, _BEGUN)
    return box


def _look(outbox: Outbox, clock: _Clock, at: datetime) -> list[Event]:
    clock.moment = at
    ExpectationWatch(outbox, [_POLICY], clock, "http://ui").look()
    return outbox.recorded_between(_BEGUN, at + timedelta(days=9), [EventType.ASSET_OVERDUE])


def _succeed(outbox: Outbox, at: datetime) -> None:
    told = event(EventType.JOB_SUCCESS, targets=Targets(job="ingest"), incident="")
    outbox.record([replace(told, event_key=f"ok/{at}", occurred_at=at)])


def test_what_came_is_not_told(outbox: Outbox, clock: _Clock) -> None:
    _succeed(outbox, _DEADLINE - timedelta(hours=1))
    assert _look(outbox, clock, _DEADLINE + timedelta(minutes=1)) == []


def test_what_did_not_come_is_told_once(outbox: Outbox, clock: _Clock) -> None:
    for minutes in (1, 2, 60):
        (told,) = _look(outbox, clock, _DEADLINE + timedelta(minutes=minutes))
    assert told.details["policy"] == "p"


def test_what_comes_late_closes_it(outbox: Outbox, clock: _Clock) -> None:
    _look(outbox, clock, _DEADLINE + timedelta(minutes=1))
    _succeed(outbox, _DEADLINE + timedelta(hours=2))
    for _ in range(2):
        told = _look(outbox, clock, _DEADLINE + timedelta(hours=3))
    assert [each.is_recovery for each in told] == [False, True]


def test_what_comes_late_while_nobody_looks_closes_it_at_the_next_deadline(
    outbox: Outbox, clock: _Clock
) -> None:
    _look(outbox, clock, _DEADLINE + timedelta(minutes=1))
    _succeed(outbox, _DEADLINE + timedelta(hours=2))
    told = _look(outbox, clock, _DEADLINE + timedelta(days=1, minutes=1))
    assert [each.is_recovery for each in told] == [False, True]


def test_before_the_first_whole_window_nothing_is_expected(outbox: Outbox, clock: _Clock) -> None:
    assert _look(outbox, clock, _BEGUN + timedelta(hours=20)) == []
