"""What was expected and did not come is told once, and its late arrival, too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from resources.notifications.decisions import Circumstances
from resources.notifications.events import Event, EventType, Targets
from resources.notifications.policies.absence import absence, arrival, due_windows, fulfils, is_fulfilled
from resources.notifications.policies.deciding import PolicyEngine
from resources.notifications.policies.policy import Policies, Policy
from tests.notifications.policies.samples import event, policy

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_KEYS = """x_absence: {expected_by: 07:00, timezone: Europe/Berlin, days: [mon, tue, wed, thu, fri]}
alert_targets: [{run_result_target: {jobs: [{job_name: ingest}]}}]"""
_MONDAY = datetime(2026, 5, 4, 5, tzinfo=UTC)  # 07:00 in Berlin


def _policy() -> Policy:
    return policy(_KEYS, types="[JOB_SUCCESS]")


def _at(moment: datetime, job: str = "ingest") -> Event:
    return replace(event(EventType.JOB_SUCCESS, targets=Targets(job=job)), occurred_at=moment)


def test_the_window_reaches_from_one_deadline_to_the_next() -> None:
    (window,) = due_windows([_policy(), policy("")], _MONDAY + timedelta(hours=1), _LONG_AGO)
    assert (window.since, window.until) == (datetime(2026, 5, 1, 5, tzinfo=UTC), _MONDAY)


def test_what_began_before_the_installation_is_not_expected() -> None:
    assert list(due_windows([_policy()], _MONDAY, _MONDAY - timedelta(days=1))) == []


def test_only_an_event_of_the_policys_types_and_targets_counts() -> None:
    (window,) = due_windows([_policy()], _MONDAY, _LONG_AGO)
    came, other = _at(_MONDAY - timedelta(hours=1)), _at(_MONDAY, "report")
    assert is_fulfilled(window, lambda since, until: [other, came])
    assert not is_fulfilled(window, lambda since, until: [other, event()])


def test_an_absence_is_told_by_its_own_policy_alone() -> None:
    own = _policy()
    (window,) = due_windows([own], _MONDAY, _LONG_AGO)
    told = absence(window, "http://ui")
    assert told.event_type is EventType.ASSET_OVERDUE
    assert "expected by 2026-05-04 05:00 UTC" in told.title
    others = (replace(own, name="other"), policy("", types="[JOB_SUCCESS]"))
    engine = PolicyEngine(Policies((own, *others[:1])))
    assert [each.policy for each in engine(told, Circumstances(_MONDAY))] == ["p"]
    assert list(PolicyEngine(Policies(others))(told, Circumstances(_MONDAY))) == []
    assert list(engine(_at(_MONDAY), Circumstances(_MONDAY))) == []


def test_a_late_arrival_closes_the_incident() -> None:
    own = _policy()
    (window,) = due_windows([own], _MONDAY, _LONG_AGO)
    late = arrival(own, _at(_MONDAY + timedelta(hours=2)))
    assert late.is_recovery
    assert late.incident == absence(window, "").incident
    assert fulfils(own, _at(_MONDAY))
    assert not fulfils(own, late)


@given(st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: _MONDAY + timedelta(minutes=minutes)))
def test_the_last_window_is_over_and_starts_at_most_four_days_before(now: datetime) -> None:
    (window,) = due_windows([_policy()], now, _LONG_AGO)
    assert window.until <= now < window.until + timedelta(days=3, hours=2)
    assert timedelta(0) < window.until - window.since <= timedelta(days=3, hours=1)
    assert absence(window, "").event_key == absence(window, "").event_key
