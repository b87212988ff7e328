"""What follows from a match: channels, groups, quiet hours, inhibition, silences, recovery."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import PermanentError
from resources.notifications.decisions import Circumstances, Decision, Silence
from resources.notifications.events import Event, EventType, Severity, Targets
from resources.notifications.policies.deciding import PolicyEngine, quiet_until
from resources.notifications.policies.policy import Policies
from resources.notifications.policies.silencing import demand_matchers
from tests.notifications.policies.samples import NOW, event, policies, policy


def _decided(keys: str, told: Event, circumstances: Circumstances | None = None) -> list[Decision]:
    engine = PolicyEngine(Policies((policy(keys, types=f"[{told.event_type}]"),)))
    return list(engine(told, circumstances or Circumstances(NOW)))


def test_every_channel_of_every_matching_policy_gets_a_decision() -> None:
    book = policies("""alert_policies:
- {name: a, event_types: [JOB_FAILURE], notification_service: {x_console: {}}, x_also: [{x_file: {}}]}
- {name: b, event_types: [JOB_FAILURE], notification_service: {x_console: {}}, x_fallback: {x_file: {}}}
- {name: c, event_types: [JOB_SUCCESS], notification_service: {x_console: {}}}
""")
    found = PolicyEngine(book)(event(), Circumstances(NOW))
    assert [(each.policy, each.channel) for each in found] == [
        ("a", "console"),
        ("a", "file"),
        ("b", "console"),
    ]
    assert [each.fallback_channel for each in found] == ["", "", "file"]


def test_notices_of_one_incident_are_grouped_unless_the_policy_says_how() -> None:
    assert _decided("", event())[0].group_key == "job/ingest"
    grouped = _decided("x_group: {by: [job, event_type], wait: 30s, interval: 10m}", event())[0]
    assert (grouped.group_key, grouped.group_wait_s, grouped.group_interval_s) == (
        "ingest|JOB_FAILURE",
        30,
        600,
    )
    assert _decided("x_group: {}", event())[0].group_key == "all"


def test_a_recovery_is_left_to_who_was_told_of_the_opening() -> None:
    assert _decided("", event(is_recovery=True)) == []
    assert _decided("x_recovery: false", event())[0].tells_recovery is False


def test_a_success_that_ends_an_incident_is_still_a_success() -> None:
    over = event(EventType.JOB_SUCCESS, is_recovery=True, severity=Severity.INFO)
    (found,) = _decided("x_recovery: false", over)
    assert found.group_key == "good news|job/ingest"
    assert _decided("x_min_severity: error", over) == []


def test_the_policy_sets_the_severity_and_the_reminders() -> None:
    assert _decided("x_severity: critical", event())[0].severity is Severity.CRITICAL
    assert _decided("", event())[0].severity is None
    assert _decided("x_repeat: {every: 1h}", event())[0].repeat_s == 3600
    assert _decided("policy_options: {renotify_interval_minutes: 30}", event())[0].repeat_s == 1800
    assert _decided("x_repeat: {every: 1h}", event(incident=""))[0].repeat_s == 0


def _incident(**about: str) -> dict[str, Event]:
    down = event(EventType.DAEMON_UNAVAILABLE, targets=Targets(**about), incident="daemon")  # type: ignore[arg-type]
    return {"daemon": down}


def test_an_open_incident_inhibits_what_is_like_it() -> None:
    keys = "x_inhibit: [{event_types: [DAEMON_UNAVAILABLE], equal: [location]}]"
    told = event(targets=Targets(job="ingest", location="prod"))
    for incidents, muted in (
        (_incident(location="prod"), "inhibited by daemon"),
        (_incident(location="dev"), ""),
        ({}, ""),
        ({"other": event(incident="other")}, ""),
    ):
        assert _decided(keys, told, Circumstances(NOW, open_incidents=incidents))[0].muted == muted


def test_an_incident_does_not_inhibit_itself() -> None:
    circumstances = Circumstances(NOW, open_incidents={"job/ingest": event()})
    assert _decided("x_inhibit: [{event_types: [JOB_FAILURE]}]", event(), circumstances)[0].muted == ""


@pytest.mark.parametrize(
    ("matchers", "is_muted"),
    [
        ({"job": "ingest"}, True),
        ({"job": "in*", "severity": "error"}, True),
        ({"job": "other"}, False),
        ({"policy": "p"}, True),
        ({"channel": "file"}, False),
        ({"asset": "a*"}, True),
        ({"tag:team": "ml"}, True),
        ({"owner": "team:*"}, True),
        ({"event_type": "JOB_*", "location": "x"}, False),
        ({}, False),
    ],
)
def test_a_silence_mutes_what_all_its_matchers_fit(matchers: dict[str, str], is_muted: bool) -> None:
    until = NOW + timedelta(hours=1)
    silence = Silence("s-1", matchers, NOW, until, "migration")
    told = event(targets=Targets(job="ingest", assets=("a1",), tags={"team": "ml"}), owners=("team:data",))
    decided = _decided("", told, Circumstances(NOW, silences=[silence]))[0]
    assert decided.muted == ("silenced: migration" if is_muted else "")
    assert decided.muted_until == (until if is_muted else None)


def test_matchers_that_are_not_known_are_refused() -> None:
    demand_matchers({"tag:team": "ml", "job": "a"})
    for wrong in ({}, {"jobb": "x"}):
        with pytest.raises(PermanentError, match="match"):
            demand_matchers(wrong)


_QUIET = "x_quiet_hours: [{start: 22:00, end: 06:00, timezone: Europe/Berlin, %s}]"


@pytest.mark.parametrize(
    ("at", "held_until"),
    [
        ("2026-05-01T19:59:00", None),
        ("2026-05-01T20:00:00", "2026-05-02T04:00:00"),
        ("2026-05-02T03:59:59", "2026-05-02T04:00:00"),
        ("2026-05-02T04:00:00", None),
        ("2026-10-24T23:30:00", "2026-10-25T05:00:00"),  # over the end of summer time
        ("2026-03-28T22:00:00", "2026-03-29T04:00:00"),  # over its beginning
    ],
)
def test_quiet_hours_hold_a_notice_until_they_end(at: str, held_until: str | None) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    decided = _decided(_QUIET % "action: hold", event(), Circumstances(now))[0]
    assert decided.not_before == (held_until and datetime.fromisoformat(held_until).replace(tzinfo=UTC))


def test_quiet_hours_drop_a_notice_or_let_the_worst_through() -> None:
    night = Circumstances(datetime(2026, 5, 1, 23, tzinfo=UTC))
    assert _decided(_QUIET % "action: drop", event(), night)[0].muted == "quiet hours until 04:00 UTC"
    worst = event(severity=Severity.CRITICAL)
    assert _decided(_QUIET % "action: drop", worst, night)[0].muted == ""
    assert _decided(_QUIET % "except_from: error", event(), night)[0].not_before is None
    assert _decided(_QUIET % "days: [sat]", event(), night)[0].not_before is None


@given(st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)))
def test_quiet_hours_end_after_now_and_within_a_day(now: datetime) -> None:
    quiet = policy("x_quiet_hours: [{start: 22:00, end: 06:00, timezone: Europe/Berlin}]").quiet[0]
    end = quiet_until(quiet, now)
    local = now.astimezone(quiet.zone).time()
    assert (end is not None) == (local >= quiet.start or local < quiet.end)
    assert end is None or now < end <= now + timedelta(hours=9)


@given(st.integers(0, 3), st.booleans())
def test_the_same_event_and_circumstances_give_the_same_decisions(number: int, is_open: bool) -> None:
    told = replace(event(), event_key=f"e-{number}")
    circumstances = Circumstances(NOW, open_incidents=_incident(location="x") if is_open else {})
    keys = "x_inhibit: [{event_types: [DAEMON_UNAVAILABLE]}]"
    assert _decided(keys, told, circumstances) == _decided(keys, told, circumstances)
