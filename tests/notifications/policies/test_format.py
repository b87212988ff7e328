"""Files in Dagster+'s format are taken as they are; what is wrong is told with file, line and key."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.alerting import load_policies
from orchestration.settings import PROJECT, Settings
from resources.errors import PermanentError
from resources.notifications.events import EventType
from resources.notifications.policies.document import json_schema
from resources.notifications.policies.reading import check_policies, read_policies
from resources.notifications.policies.vocabulary import DAGSTER_PLUS, UNOBSERVED
from tests.notifications.policies.samples import policies

_SERVICES = {
    "email": "email: {email_addresses: [ann@example.com, bob@example.com]}",
    "email_owners": "email_owners: {default_email_addresses: [data@example.com]}",
    "slack": "slack: {slack_workspace_name: hooli, slack_channel_name: notifications}",
    "microsoft_teams": "microsoft_teams: {webhook_url: 'https://example.webhook.office.com/x'}",
    "pagerduty": "pagerduty: {integration_key: <pagerduty_integration_key>}",
    "webhook": "webhook: {webhook_url: 'https://example.com/x', headers: {A: b}, body_template: '{}'}",
}
_TARGETS = {
    "JOB_FAILURE": [
        "run_result_target: {jobs: [{location_name: l, repo_name: __repository__, job_name: j}]}",
        "run_result_target: {tags: [{key: team, value: ml}], location_names: [prod]}",
        "long_running_job_threshold_target: {threshold_seconds: 900, tags: [{key: team, value: ml}]}",
    ],
    "JOB_LONG_RUNNING": ["long_running_job_threshold_target: {threshold_seconds: 3600}"],
    "ASSET_MATERIALIZATION_FAILED": [
        "asset_key_target: {asset_key: [s3, report]}",
        "asset_group_target: {asset_group: t, location_name: prod, repo_name: __repository__}",
        "asset_selection_target: {asset_selection: 'group:\"critical\"'}",
        "asset_selection_target: {asset_selection: 'tag:key=value'}",
        "asset_selection_target: {asset_selection: 'owner:\"team@example.com\"'}",
        "asset_selection_target: {asset_selection: '*'}",
        "asset_selection_view_target: {asset_selection_view_id: view}",
        "favorites_selection_view_target: {user_email: user@example.com}",
    ],
    "TICK_FAILURE": [
        "schedule_or_sensor_target: {schedules_or_sensors: [{location_name: l, name: s}], types: [SENSOR]}",
        "schedule_or_sensor_target: {location_names: [prod]}",
    ],
    "CODE_LOCATION_ERROR": ["code_location_target: {location_names: [l]}", "code_location_target: {}"],
    "INSIGHTS_CONSUMPTION_EXCEEDED": [
        "credit_limit_target: {}",
        "insights_deployment_threshold_target: {metric_name: m, selection_period_days: 30, threshold: 1000,"
        " operator: GREATER_THAN}",
        "insights_asset_group_threshold_target: {metric_name: m, selection_period_days: 7, threshold: 1,"
        " operator: LESS_THAN, asset_group: {location_name: l, asset_group_name: g}}",
        "insights_asset_threshold_target: {metric_name: m, selection_period_days: 7, threshold: 1.5,"
        " operator: LESS_THAN, asset_key: [a, b]}",
        "insights_job_threshold_target: {metric_name: m, selection_period_days: 7, threshold: 1,"
        " operator: LESS_THAN, job: {location_name: l, job_name: j}}",
    ],
    "METRIC_MONITOR_ALERT": [
        "metric_monitor_asset_selection_threshold_target: {metric_name: m, lookback_window: 24,"
        " aggregation_function: max, asset_selection: '*', combine_fn: ANY,"
        " thresholds: {min_allowed_value: 5}}"
    ],
}


def _text(event_type: str, service: str, more: str = "") -> str:
    return (
        "alert_policies:\n- description: Tells.\n  enabled: true\n"
        f"  event_types:\n  - {event_type}\n  name: it\n  notification_service:\n    {service}\n{more}"
    )


@pytest.mark.parametrize("service", sorted(_SERVICES))
@pytest.mark.parametrize("event_type", sorted(_TARGETS))
def test_every_target_and_service_of_dagster_plus_is_taken(event_type: str, service: str) -> None:
    for target in _TARGETS[event_type]:
        checked = check_policies(
            _text(event_type, _SERVICES[service], f"  alert_targets:\n  - {target}\n"), "f"
        )
        assert checked.errors == ()
        assert len(checked.policies.policies) == 1


def test_the_event_types_are_the_22_of_dagster_plus_and_ours() -> None:
    assert len(DAGSTER_PLUS) == 22
    for name in EventType:
        more = "  alert_targets: [{long_running_job_threshold_target: {threshold_seconds: 1}}]\n"
        checked = check_policies(_text(name, _SERVICES["email"], more if "LONG" in name else ""), "f")
        assert checked.errors == ()
        told = [warning.text for warning in checked.policies.warnings if "never comes" in warning.text]
        assert len(told) == (EventType(name) in UNOBSERVED)


def test_old_names_and_keys_are_taken_with_a_warning() -> None:
    text = _text("ASSET_MATERIALIZATION_FAILED", _SERVICES["email"], "  tags:\n    important: 'true'\n")
    checked = check_policies(text, "f")
    assert checked.errors == ()
    assert checked.policies.policies[0].event_types == {EventType.ASSET_MATERIALIZATION_FAILURE}
    assert [(warning.line, warning.key) for warning in checked.policies.warnings] == [
        (5, "event_types"),
        (9, "tags"),
    ]


def test_a_single_policy_without_a_list_is_taken_with_a_warning() -> None:
    text = _text("JOB_FAILURE", _SERVICES["slack"]).replace("- desc", "  desc")
    checked = check_policies(text, "f")
    assert checked.errors == ()
    assert [warning.line for warning in checked.policies.warnings] == [1]


def test_flat_service_and_target_types_are_taken() -> None:
    more = "  alert_targets: [{target_type: asset_key_target, asset_key: [a]}]\n"
    text = _text("ASSET_CHECK_PASSED", "{service_type: email, email_addresses: [a@b.c]}", more)
    assert list(policies(text).services) == ["email:a@b.c"]


@pytest.mark.parametrize(
    ("changed", "line", "key", "told"),
    [
        ("event_types: [JOB_FAILED]", 4, "event_types", "did you mean JOB_FAILURE?"),
        ("event_types: []", 4, "event_types", ">= 1"),
        ("x_grup: {}", 6, "x_grup", "did you mean x_group?"),
        ("x_group: {wait: soon}", 6, "x_group", "no duration"),
        ("x_group: {by: [color]}", 6, "by", "Invalid enum value"),
        ("x_quiet_hours: [{start: 22:00, end: 6:00}]", 6, "end", "regex"),
        ("x_quiet_hours: [{start: 22:00, end: 06:00, timezone: Moon}]", 6, "x_quiet_hours", "time zone"),
        (
            "alert_targets: [{asset_key_target: {asset_key: [a]}, code_location_target: {}}]",
            6,
            "alert_targets",
            "one key",
        ),
        (
            "alert_targets: [{asset_selection_target: {asset_selection: 'a and'}}]",
            6,
            "asset_selection",
            "missing",
        ),
        ("alert_targets: [{asset_selection_target: {asset_selection: '+a'}}]", 6, "asset_selection", "graph"),
        ("notification_service: {}", 5, "notification_service", "exactly one"),
        ("notification_service: {pagerduty: {}}", 5, "integration_key", "missing"),
        (
            "notification_service: {pagerduty: {integration_key: {env: 1}}}",
            5,
            "integration_key",
            "{env: NAME}",
        ),
        ("policy_options: {consecutive_failure_threshold: 101}", 6, "consecutive_failure_threshold", "100"),
        ("x_order: {status: [shipped]}", 6, "x_order", "ORDER_EVENT alone"),
    ],
)
def test_a_mistake_is_told_with_line_and_key(changed: str, line: int, key: str, told: str) -> None:
    keys = {
        "event_types": "event_types: [JOB_FAILURE]",
        "notification_service": "notification_service: {x_console: {}}",
    }
    keys[changed.split(":")[0]] = changed
    text = "\n".join(
        ["# a comment", "alert_policies:", "- name: it", *(f"  {each}" for each in keys.values())]
    )
    errors = check_policies(text, "my.yaml").errors
    assert [(error.file, error.line, error.key) for error in errors] == [("my.yaml", line, key)]
    assert told.lower() in str(errors[0]).lower()


def test_all_mistakes_are_found_at_once_and_the_first_is_raised() -> None:
    good = _text("JOB_FAILURE", _SERVICES["email"])
    bad = good + "- {name: a}\n- {name: b}\n" + good.removeprefix("alert_policies:\n")
    assert [error.key for error in check_policies(bad, "f").errors] == ["event_types", "event_types", "name"]
    with pytest.raises(PermanentError, match=r"^f:9: event_types: this key is missing \(and 2 more"):
        read_policies(bad, "f")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "alert_policies: 3",
        "- 1",
        "&x [*x]",
        "\x00",
        "a: 1\na: 2",
        "alert_policies: [3]",
        "? [a]\n: b",
    ],
)
def test_what_is_no_policy_file_is_one_error_with_a_line(text: str) -> None:
    errors = check_policies(text, "f").errors
    assert errors
    assert all(error.line >= 1 for error in errors)


def test_a_file_that_multiplies_itself_is_refused() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "split it" in str(check_policies(f"l0: &l0 [x]\n{levels}", "f").errors[0])


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "name",
                        "event_types",
                        "notification_service",
                        "alert_targets",
                        "x_group",
                        "slack",
                        "jobs",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_data_makes_the_reader_raise(data: object) -> None:
    check_policies(json.dumps({"alert_policies": data}), "f")


def test_a_policy_that_is_off_is_checked_and_left_out() -> None:
    text = _text("JOB_FAILURE", _SERVICES["email"]).replace("enabled: true", "enabled: false")
    assert policies(text).policies == ()
    assert check_policies(text.replace("JOB_FAILURE", "NO"), "f").errors


def test_the_committed_file_is_right_and_without_warnings() -> None:
    read = load_policies(Settings())
    assert read.warnings == ()
    assert set(read.services) == {"console", "file"}


def test_the_published_schema_is_that_of_the_model() -> None:
    published = json.loads((PROJECT / "docs" / "alert_policies.schema.json").read_text())
    assert published == json.loads(json.dumps(json_schema()))


def test_the_example_of_the_documentation_is_right() -> None:
    page = (PROJECT / "docs" / "notifications.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    checked = check_policies(example, "docs/notifications.md")
    assert checked.errors == ()
    assert checked.policies.warnings == ()
    assert len(checked.policies.policies) == 1
