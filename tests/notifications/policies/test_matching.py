"""Events match the policies that select them; the index changes the speed, never the answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.notifications.events import Event, EventType, Severity, Targets
from resources.notifications.policies.matching import Matcher, against
from tests.notifications.policies.samples import event, policies, policy

T = EventType
_ORDER = {"status": "shipped", "source": "/shops/eu", "currency": "EUR", "amount": "120.5000"}


def _matches(keys: str, told: Event, types: str | None = None) -> bool:
    return against(policy(keys, types=types or f"[{told.event_type}]"), told) is None


@pytest.mark.parametrize(
    ("target", "about", "matches"),
    [
        ("run_result_target: {jobs: [{job_name: ingest}]}", Targets(job="ingest"), True),
        ("run_result_target: {jobs: [{job_name: other}]}", Targets(job="ingest"), False),
        ("run_result_target: {jobs: [{job_name: ingest, location_name: l}]}", Targets(job="ingest"), True),
        (
            "run_result_target: {jobs: [{job_name: ingest, location_name: l}]}",
            Targets(job="ingest", location="m"),
            False,
        ),
        ("run_result_target: {tags: [{key: a, value: b}]}", Targets(tags={"a": "b", "c": "d"}), True),
        (
            "run_result_target: {tags: [{key: a, value: b}, {key: c, value: d}]}",
            Targets(tags={"a": "b"}),
            False,
        ),
        ("run_result_target: {location_names: [prod]}", Targets(location="prod"), True),
        ("run_result_target: {location_names: [prod]}", Targets(location="dev"), False),
        ("long_running_job_threshold_target: {threshold_seconds: 9}", Targets(job="ingest"), True),
        ("asset_key_target: {asset_key: [a, b]}", Targets(assets=("a/b",)), True),
        ("asset_key_target: {asset_key: [a, b]}", Targets(assets=("a",)), False),
        ("asset_group_target: {asset_group: g, location_name: p}", Targets(groups=("g",)), True),
        (
            "asset_selection_target: {asset_selection: 'kind:sql'}",
            Targets(assets=("a",), kinds=("sql",)),
            True,
        ),
        ("asset_selection_target: {asset_selection: '*'}", Targets(job="no asset"), False),
        ("schedule_or_sensor_target: {schedules_or_sensors: [{name: s}]}", Targets(instigator="s"), True),
        ("schedule_or_sensor_target: {schedules_or_sensors: [{name: s}]}", Targets(instigator="t"), False),
        ("code_location_target: {location_names: [l]}", Targets(location="l"), True),
        ("code_location_target: {location_names: [l]}", Targets(location="m"), False),
        ("credit_limit_target: {}", Targets(job="ingest"), False),
    ],
)
def test_a_target_selects(target: str, about: Targets, matches: bool) -> None:
    assert _matches(f"alert_targets: [{{{target}}}]", event(targets=about)) is matches
    assert _matches(f"x_exclude: [{{{target}}}]", event(targets=about)) is not matches


def test_any_of_several_targets_is_enough() -> None:
    keys = "alert_targets: [{asset_key_target: {asset_key: [a]}}, {asset_key_target: {asset_key: [b]}}]"
    assert _matches(keys, event(targets=Targets(assets=("b",))))


def test_the_old_tags_narrow_every_target() -> None:
    keys = "tags: [{key: important, value: 'true'}]\nalert_targets: [{run_result_target: {}}]"
    assert not _matches(keys, event())
    assert _matches(keys, event(targets=Targets(tags={"important": "true"})))


def test_a_long_run_is_told_at_its_own_threshold_alone() -> None:
    keys = "alert_targets: [{long_running_job_threshold_target: {threshold_seconds: 900}}]"
    for details, matches in (
        ({"threshold_seconds": 900}, True),
        ({"threshold_seconds": 60, "running_seconds": 999}, False),
        ({"running_seconds": 901.5}, True),
        ({"running_seconds": 899}, False),
    ):
        assert _matches(keys, event(T.JOB_LONG_RUNNING, details=details)) is matches


def test_a_run_that_dagster_retries_is_left_out_when_the_policy_says_so() -> None:
    told = event(targets=Targets(job="ingest", tags={"dagster/will_retry": "true"}))
    assert _matches("x_retry_aware: false", told)
    assert not _matches("x_retry_aware: true", told)
    assert _matches("x_retry_aware: true", event())


@pytest.mark.parametrize(("failures", "matches"), [(1, False), (2, False), (3, True), (4, False)])
def test_a_tick_failure_is_told_at_the_nth_in_a_row(failures: int, matches: bool) -> None:
    keys = "policy_options: {consecutive_failure_threshold: 3}"
    assert _matches(keys, event(T.TICK_FAILURE, details={"consecutive_failures": failures})) is matches


def test_a_schema_change_is_told_by_its_kind() -> None:
    keys = "policy_options: {table_schema_change_types: [COLUMN_REMOVED]}"
    for changes, matches in (("COLUMN_ADDED", False), ("COLUMN_ADDED,COLUMN_REMOVED", True), ("", True)):
        told = event(T.ASSET_TABLE_SCHEMA_CHANGE, details={"change_types": changes})
        assert _matches(keys, told) is matches


@pytest.mark.parametrize(
    ("x_order", "matches"),
    [
        ("{}", True),
        ("{status: [shipped, delivered]}", True),
        ("{status: [placed]}", False),
        ("{min_amount: '120.50'}", True),
        ("{min_amount: 120.51}", False),
        ("{source: [/shops/eu]}", True),
        ("{source: [/shops/us], status: [shipped]}", False),
        ("{currency: [EUR], min_amount: 100}", True),
        ("{currency: [USD]}", False),
    ],
)
def test_order_events_are_chosen_by_status_amount_source_and_currency(x_order: str, matches: bool) -> None:
    assert _matches(f"x_order: {x_order}", event(T.ORDER_EVENT, details=_ORDER)) is matches


def test_milder_events_are_left_out_by_x_min_severity_but_no_recovery_is() -> None:
    mild = event(severity=Severity.WARNING)
    assert not _matches("x_min_severity: error", mild)
    assert _matches("x_min_severity: warning", mild)
    assert _matches("x_min_severity: error", event(severity=Severity.INFO, is_recovery=True))


def test_explain_gives_each_policy_and_the_reason_against_it() -> None:
    text = """alert_policies:
- {name: yes, event_types: [JOB_FAILURE], notification_service: {x_console: {}}}
- {name: type, event_types: [JOB_SUCCESS], notification_service: {x_console: {}}}
- {name: job, event_types: [JOB_FAILURE], notification_service: {x_console: {}},
   alert_targets: [{run_result_target: {jobs: [{job_name: report}]}}]}
- {name: out, event_types: [JOB_FAILURE], notification_service: {x_console: {}},
   x_exclude: [{run_result_target: {jobs: [{job_name: ingest}]}}]}
"""
    verdicts = Matcher(policies(text.replace("name: yes", "name: 'yes'")).policies).explain(event())
    assert [(verdict.policy, verdict.matches) for verdict in verdicts] == [
        ("yes", True),
        ("type", False),
        ("job", False),
        ("out", False),
    ]
    assert [verdict.against for verdict in verdicts[1:]] == [
        "JOB_FAILURE is none of its event types",
        "it is about none of: runs of report",
        "x_exclude leaves out runs of ingest",
    ]


_NAMES = st.sampled_from(["a", "b", "c"])
_SOME = st.lists(_NAMES, max_size=2).map(tuple)
_EVENTS = st.builds(
    lambda kind, targets, status, severity: event(
        kind,
        targets=targets,
        severity=severity,
        details={"status": status, "source": "a", "threshold_seconds": 5, "consecutive_failures": 1},
    ),
    st.sampled_from([T.JOB_FAILURE, T.JOB_LONG_RUNNING, T.ASSET_CHECK_PASSED, T.TICK_FAILURE, T.ORDER_EVENT]),
    st.builds(
        Targets,
        location=st.sampled_from(["", "a", "b"]),
        job=_NAMES,
        tags=st.dictionaries(_NAMES, _NAMES, max_size=2),
        assets=_SOME,
        groups=_SOME,
        kinds=_SOME,
        instigator=st.sampled_from(["", "a", "b"]),
    ),
    st.sampled_from(["placed", "shipped"]),
    st.sampled_from(list(Severity)),
)
_TARGET = st.one_of(
    st.builds("{{run_result_target: {{jobs: [{{job_name: {}}}, {{job_name: {}}}]}}}}".format, _NAMES, _NAMES),
    st.builds("{{run_result_target: {{tags: [{{key: {}, value: {}}}]}}}}".format, _NAMES, _NAMES),
    st.builds("{{run_result_target: {{location_names: [{}]}}}}".format, _NAMES),
    st.just("{run_result_target: {}}"),
    st.builds("{{asset_key_target: {{asset_key: [{}]}}}}".format, _NAMES),
    st.builds("{{asset_group_target: {{asset_group: {}, location_name: a}}}}".format, _NAMES),
    st.builds(
        "{{asset_selection_target: {{asset_selection: '{}:{} {} {}'}}}}".format,
        st.sampled_from(["key", "group", "kind"]),
        st.sampled_from(["a", "b", "*"]),
        st.sampled_from(["and", "or", "and not", "or not"]),
        st.sampled_from(["a", "group:b", "kind:c", "*"]),
    ),
    st.builds("{{schedule_or_sensor_target: {{schedules_or_sensors: [{{name: {}}}]}}}}".format, _NAMES),
    st.just("{credit_limit_target: {}}"),
)
_POLICY = st.builds(
    lambda types, targets, excluded, more: (
        f"  event_types: [{', '.join(types)}]\n  notification_service: {{x_console: {{}}}}\n"
        "  alert_targets:\n"
        "  - long_running_job_threshold_target: {threshold_seconds: 5, jobs: [{job_name: a}]}\n"
        + "".join(f"  - {target}\n" for target in targets)
        + "".join(f"  x_exclude: [{target}]\n" for target in excluded)
        + more
    ),
    st.lists(
        st.sampled_from(["JOB_FAILURE", "JOB_LONG_RUNNING", "ASSET_CHECK_PASSED"]), min_size=1, max_size=3
    ),
    st.lists(_TARGET, max_size=2),
    st.lists(_TARGET, max_size=1),
    st.sampled_from(["", "  x_min_severity: error\n", "  tags: {a: b}\n"]),
) | st.builds(
    "  event_types: [{}]\n  notification_service: {{x_console: {{}}}}\n{}".format,
    st.sampled_from(["ORDER_EVENT"]),
    st.sampled_from(["  x_order: {status: [placed]}\n", "  x_order: {source: [a]}\n", ""]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_POLICY, min_size=1, max_size=6), st.lists(_EVENTS, min_size=1, max_size=6))
def test_the_index_finds_what_asking_every_policy_finds(written: list[str], events: list[Event]) -> None:
    text = "alert_policies:\n" + "".join(f"- name: p{n}\n{body}" for n, body in enumerate(written))
    book = policies(text).policies
    matcher = Matcher(book)
    for told in events:
        assert matcher.matches(told) == [each for each in book if against(each, told) is None]
        assert [v.policy for v in matcher.explain(told) if v.matches] == [
            p.name for p in matcher.matches(told)
        ]
