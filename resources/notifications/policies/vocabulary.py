"""What is known of event types and targets: other names, kinds, and what open source cannot observe."""

from resources.notifications.events import EventType

ALIASES = {
    "ASSET_MATERIALIZATION_FAILED": EventType.ASSET_MATERIALIZATION_FAILURE,
    "ASSET_MATERIALIZATION_SUCCEEDED": EventType.ASSET_MATERIALIZATION_SUCCESS,
    "ASSET_CHECK_FAILED": EventType.ASSET_CHECK_SEVERITY_ERROR,
    "ASSET_CHECK_EXECUTION_FAILED": EventType.ASSET_CHECK_EXECUTION_FAILURE,
    "RUN_FAILURE": EventType.JOB_FAILURE,
    "RUN_SUCCESS": EventType.JOB_SUCCESS,
}
"""Names that Dagster+'s own examples, or Dagster's other interfaces, use for an event type."""

_CATEGORIES = {
    "job": ("JOB_FAILURE", "JOB_SUCCESS", "JOB_LONG_RUNNING"),
    "asset": (
        "ASSET_MATERIALIZATION_SUCCESS",
        "ASSET_MATERIALIZATION_FAILURE",
        "ASSET_CHECK_PASSED",
        "ASSET_CHECK_EXECUTION_FAILURE",
        "ASSET_CHECK_SEVERITY_WARN",
        "ASSET_CHECK_SEVERITY_ERROR",
        "ASSET_FRESHNESS_PASS",
        "ASSET_FRESHNESS_WARN",
        "ASSET_FRESHNESS_FAIL",
        "ASSET_OVERDUE",
    ),
    "asset health": ("ASSET_HEALTH_HEALTHY", "ASSET_HEALTH_WARNING", "ASSET_HEALTH_DEGRADED"),
    "asset schema": ("ASSET_TABLE_SCHEMA_CHANGE",),
    "schedule and sensor": ("TICK_FAILURE",),
    "agent": ("AGENT_UNAVAILABLE",),
    "code location": ("CODE_LOCATION_ERROR",),
    "insights": ("INSIGHTS_CONSUMPTION_EXCEEDED",),
    "metric": ("METRIC_MONITOR_ALERT",),
}
_CATEGORY = {EventType(name): category for category, names in _CATEGORIES.items() for name in names}
DAGSTER_PLUS = frozenset(_CATEGORY)
"""The 22 event types of Dagster+: the 21 of its YAML reference, and ASSET_OVERDUE of its command's schema."""

ASSET_EVENTS = frozenset(known for known, category in _CATEGORY.items() if category.startswith("asset"))
JOB_EVENTS = frozenset(
    {EventType.JOB_FAILURE, EventType.JOB_SUCCESS, EventType.JOB_LONG_RUNNING, EventType.RUN_CANCELED}
)
RENOTIFIED = frozenset({EventType.TICK_FAILURE, EventType.AGENT_UNAVAILABLE, EventType.CODE_LOCATION_ERROR})

UNOBSERVED = {
    EventType.ASSET_HEALTH_HEALTHY: "asset health is computed by Dagster+ alone",
    EventType.ASSET_HEALTH_WARNING: "asset health is computed by Dagster+ alone",
    EventType.ASSET_HEALTH_DEGRADED: "asset health is computed by Dagster+ alone",
    EventType.AGENT_UNAVAILABLE: "open source has no agents; DAEMON_UNAVAILABLE watches the daemon",
    EventType.INSIGHTS_CONSUMPTION_EXCEEDED: "open source has no Insights",
    EventType.METRIC_MONITOR_ALERT: "open source has no Insights",
}
"""Event types that are accepted, and never come, each with the reason."""

UNOBSERVED_TARGETS = frozenset(
    {
        "asset_selection_view_target",
        "favorites_selection_view_target",
        "credit_limit_target",
        "insights_deployment_threshold_target",
        "insights_asset_group_threshold_target",
        "insights_asset_threshold_target",
        "insights_job_threshold_target",
        "metric_monitor_asset_selection_threshold_target",
    }
)


def category(event_type: EventType) -> str | None:
    """Return the category within which Dagster+ lets types share a policy; None for our own types."""
    return _CATEGORY.get(event_type)
