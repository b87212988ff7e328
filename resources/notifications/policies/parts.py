"""The parts of which `alert_policies.yaml` is made: Dagster+'s targets and options, and our additions.

With `services` and `document` it is the one truth of the format: it checks files, and makes the JSON Schema.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from resources.notifications.decisions import MOST_REPEATS
from resources.notifications.events import EventType, Severity
from resources.notifications.policies.vocabulary import ALIASES

SINGLETON_REPOSITORY = "__repository__"
Duration: TypeAlias = Annotated[
    str | int,
    Meta(description="Seconds, or a number with its unit: 30s, 5m, 2h, 1d.", examples=["30s", "5m", "2h"]),
]
ClockTime: TypeAlias = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["07:00"])]
Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SchemaChange: TypeAlias = Literal[
    "COLUMN_ADDED",
    "COLUMN_REMOVED",
    "COLUMN_TYPE_CHANGED",
    "COLUMN_NULLABILITY_CHANGED",
    "COLUMN_UNIQUENESS_CHANGED",
    "COLUMN_TAGS_CHANGED",
]
Sameness: TypeAlias = Literal[
    "event_type", "severity", "job", "asset", "group", "location", "feed", "instigator", "subject", "incident"
]
OrderStatus: TypeAlias = Literal[
    "placed", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"
]
AssetKey: TypeAlias = Annotated[
    tuple[str, ...],
    Meta(min_length=1, description="The parts of an asset key: [orders, daily] is orders/daily."),
]
Selection: TypeAlias = Annotated[
    str,
    Meta(
        description="Dagster's asset selection: *, key:, group:, kind:, owner:, tag:, and/or/not, +upstream.",
        examples=["*", 'group:"reports"', "key:daily_* and not kind:csv"],
    ),
]
EventTypeName: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"enum": [*(str(known) for known in EventType), *ALIASES]})
]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything here is a closed mapping: a key that is not known is a mistake that must be told."""


class Tag(Part, frozen=True, kw_only=True):
    """A tag of a run."""

    key: str
    value: str


class Job(Part, frozen=True, kw_only=True):
    """A job; `location_name` and `repo_name` only matter where names repeat."""

    job_name: str
    location_name: str = ""
    repo_name: str = SINGLETON_REPOSITORY


class Instigator(Part, frozen=True, kw_only=True):
    """A schedule or a sensor."""

    name: str
    location_name: str = ""
    repo_name: str = SINGLETON_REPOSITORY


class RunResultTarget(Part, frozen=True, kw_only=True):
    """Runs: of any of the jobs, with all the tags, in any of the locations; what is absent selects all."""

    jobs: tuple[Job, ...] = ()
    tags: tuple[Tag, ...] = ()
    location_names: tuple[str, ...] = ()


class LongRunningTarget(Part, frozen=True, kw_only=True):
    """Runs that take longer than the threshold, selected as in `run_result_target`."""

    threshold_seconds: Annotated[float, Meta(gt=0)]
    jobs: tuple[Job, ...] = ()
    tags: tuple[Tag, ...] = ()
    location_names: tuple[str, ...] = ()


class AssetKeyTarget(Part, frozen=True, kw_only=True):
    """One asset."""

    asset_key: AssetKey


class AssetGroupTarget(Part, frozen=True, kw_only=True):
    """The assets of a group."""

    asset_group: str
    location_name: str = ""
    repo_name: str = SINGLETON_REPOSITORY


class AssetSelectionTarget(Part, frozen=True, kw_only=True):
    """The assets that a selection string names."""

    asset_selection: Selection


class AssetSelectionViewTarget(Part, frozen=True, kw_only=True):
    """A saved view of Dagster+'s catalogue, which open source does not have."""

    asset_selection_view_id: str


class FavoritesTarget(Part, frozen=True, kw_only=True):
    """A user's favourites in Dagster+, which open source does not have."""

    user_email: str


class InstigatorTarget(Part, frozen=True, kw_only=True):
    """Schedules and sensors, by name, location or type; what is absent selects all."""

    schedules_or_sensors: tuple[Instigator, ...] = ()
    location_names: tuple[str, ...] = ()
    types: tuple[Literal["SCHEDULE", "SENSOR"], ...] = ()


class CodeLocationTarget(Part, frozen=True, kw_only=True):
    """Code locations; none given means all."""

    location_names: tuple[str, ...] = ()


class CreditLimitTarget(Part, frozen=True, kw_only=True):
    """The credits of a Dagster+ organization."""


class MetricTarget(Part, frozen=True, kw_only=True):
    """A metric of Dagster+ Insights against a threshold."""

    metric_name: str
    selection_period_days: int
    threshold: float
    operator: Literal["GREATER_THAN", "LESS_THAN"]


class InsightsGroup(Part, frozen=True, kw_only=True):
    """A group of assets as Insights names it."""

    asset_group_name: str
    location_name: str
    repo_name: str = SINGLETON_REPOSITORY


class GroupMetricTarget(MetricTarget, frozen=True, kw_only=True):
    """A metric of a group."""

    asset_group: InsightsGroup


class AssetMetricTarget(MetricTarget, frozen=True, kw_only=True):
    """A metric of an asset."""

    asset_key: AssetKey


class JobMetricTarget(MetricTarget, frozen=True, kw_only=True):
    """A metric of a job."""

    job: Job


class MonitorThresholds(Part, frozen=True, kw_only=True):
    """Bounds of a metric monitor."""

    min_allowed_value: float | None = None
    max_allowed_value: float | None = None


class MonitorTarget(Part, frozen=True, kw_only=True):
    """A metric monitor of Dagster+ over a selection of assets."""

    metric_name: str
    lookback_window: float
    aggregation_function: Literal["sum", "latest", "max", "min"]
    asset_selection: Selection
    combine_fn: Literal["ANY", "ALL"]
    thresholds: MonitorThresholds


class AlertTarget(Part, frozen=True, kw_only=True):
    """What the events are about; exactly one of the keys."""

    run_result_target: RunResultTarget | None = None
    long_running_job_threshold_target: LongRunningTarget | None = None
    asset_key_target: AssetKeyTarget | None = None
    asset_group_target: AssetGroupTarget | None = None
    asset_selection_target: AssetSelectionTarget | None = None
    asset_selection_view_target: AssetSelectionViewTarget | None = None
    favorites_selection_view_target: FavoritesTarget | None = None
    schedule_or_sensor_target: InstigatorTarget | None = None
    code_location_target: CodeLocationTarget | None = None
    credit_limit_target: CreditLimitTarget | None = None
    insights_deployment_threshold_target: MetricTarget | None = None
    insights_asset_group_threshold_target: GroupMetricTarget | None = None
    insights_asset_threshold_target: AssetMetricTarget | None = None
    insights_job_threshold_target: JobMetricTarget | None = None
    metric_monitor_asset_selection_threshold_target: MonitorTarget | None = None


OneTarget: TypeAlias = Annotated[
    AlertTarget, Meta(extra_json_schema={"minProperties": 1, "maxProperties": 1})
]
Targets: TypeAlias = Annotated[
    tuple[OneTarget, ...], Meta(description="Any of these; an empty list or none selects all.")
]


class PolicyOptions(Part, frozen=True, kw_only=True):
    """Dagster+'s options of a policy."""

    include_description_in_notification: bool = False
    consecutive_failure_threshold: Annotated[int, Meta(ge=1, le=100)] | None = None
    renotify_interval_minutes: Annotated[int, Meta(ge=1)] | None = None
    table_schema_change_types: tuple[SchemaChange, ...] = ()


class Group(Part, frozen=True, kw_only=True):
    """Many events, one notice: the first waits for `wait`, those within `interval` after it come together."""

    by: tuple[Sameness, ...] = ()
    wait: Duration = 0
    interval: Duration = "5m"


class Repeat(Part, frozen=True, kw_only=True):
    """Tell again while the incident stays open, `times` times at most."""

    every: Duration
    times: Annotated[int, Meta(ge=1, le=10_000)] = MOST_REPEATS


class Inhibit(Part, frozen=True, kw_only=True):
    """Mute while an incident of one of these types is open that has the same `equal` as the event."""

    event_types: tuple[EventTypeName, ...]
    alert_targets: Targets = ()
    equal: tuple[Sameness, ...] = ()


class Absence(Part, frozen=True, kw_only=True):
    """Tell when no event of the policy's types came from one expected time to the next."""

    expected_by: ClockTime
    timezone: str = "UTC"
    days: tuple[Weekday, ...] = ()


class QuietHours(Part, frozen=True, kw_only=True):
    """From `start` to `end` (over midnight, too) notices wait, or are dropped; `except_from` on not."""

    start: ClockTime
    end: ClockTime
    timezone: str = "UTC"
    days: tuple[Weekday, ...] = ()
    action: Literal["hold", "drop"] = "hold"
    except_from: Severity = Severity.CRITICAL


class OrderFilter(Part, frozen=True, kw_only=True):
    """Which order changes ORDER_EVENT tells; what is absent selects all."""

    status: tuple[OrderStatus, ...] = ()
    min_amount: Annotated[str, Meta(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$")] | int | float | None = None
    source: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
