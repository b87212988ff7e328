"""A rehearsal counts what would have been sent."""

from dataclasses import replace
from datetime import timedelta

from resources.notifications.events import Event, EventType
from resources.notifications.policies.deciding import PolicyEngine
from resources.notifications.policies.inventing import invented, sample_notice
from resources.notifications.policies.policy import Policies
from resources.notifications.policies.rehearsing import Rehearsal
from tests.notifications.policies.samples import NOW, event, policy


def _at(minutes: float, told: Event, key: str) -> Event:
    return replace(told, event_key=key, occurred_at=NOW + timedelta(minutes=minutes))


def _rehearse(keys: str, *told: Event) -> Rehearsal:
    rehearsal = Rehearsal(PolicyEngine(Policies((policy(keys),))))
    rehearsal.play(told)
    return rehearsal


def test_a_thing_that_flaps_makes_few_notices() -> None:
    failures = [_at(number / 20, event(), f"e-{number}") for number in range(100)]
    row = _rehearse("", *failures).results()[0]
    assert (row.events, row.notices, row.grouped) == (100, 2, 98)


def test_events_of_one_group_wait_for_each_other() -> None:
    keys = "x_group: {by: [job], wait: 2m, interval: 10m}"
    failures = [_at(minute, event(), f"e-{minute}") for minute in (0, 1, 3, 11, 13, 30)]
    row = _rehearse(keys, *failures).results()[0]
    assert (row.notices, row.grouped) == (4, 2)


def test_recoveries_follow_those_who_were_told() -> None:
    over = event(is_recovery=True)
    told = _rehearse("", _at(0, event(), "a"), _at(1, over, "b"), _at(2, over, "c"))
    assert told.results()[0].recoveries == 1
    assert (told.events, told.unmatched) == (3, 1)
    assert _rehearse("x_recovery: false", event(), over).results()[0].recoveries == 0


def test_a_success_that_ends_a_failure_is_one_notice_for_each_who_asked() -> None:
    both = policy("", types="[JOB_FAILURE, JOB_SUCCESS]")
    wins = replace(policy("", types="[JOB_SUCCESS]"), name="wins")
    over = event(EventType.JOB_SUCCESS, is_recovery=True)
    rehearsal = Rehearsal(PolicyEngine(Policies((both, wins))))
    rehearsal.play([_at(0, event(), "a"), _at(1, over, "b")])
    found = {row.policy: (row.events, row.notices, row.recoveries) for row in rehearsal.results()}
    assert found == {"p": (1, 1, 1), "wins": (1, 1, 0)}
    assert rehearsal.unmatched == 0


def test_what_is_muted_is_counted_apart() -> None:
    night = _at(13 * 60, event(), "night")
    row = _rehearse("x_quiet_hours: [{start: 22:00, end: 06:00, action: drop}]", event(), night).results()[0]
    assert (row.events, row.notices, row.muted) == (2, 1, 1)


def test_an_invented_event_is_about_what_it_was_told() -> None:
    told = invented("JOB_FAILURE", NOW, job="ingest", tags={"a": "b"})
    assert (told.targets.job, told.targets.tags) == ("ingest", {"a": "b"})


def test_each_sample_is_a_notice_of_its_own_that_says_what_it_is() -> None:
    one, other = (sample_notice("file", "p", "http://ui", NOW + timedelta(seconds=s)) for s in (0, 1))
    assert one.delivery_id != other.delivery_id
    assert "sample" in one.event.title
