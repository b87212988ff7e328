"""A small code location in which everything goes wrong, with the collectors of the platform."""

import os
from datetime import timedelta
from pathlib import Path

import dagster as dg

from orchestration.build import platform_resource
from orchestration.settings import read_settings
from resources.notifications.resource import NotificationOutbox
from sensors.collectors import collector_sensors
from sensors.hooks import record_step_failure, record_step_success

HOME = Path(os.environ["ACCEPTANCE_HOME"])
STALE = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2), warn_window=timedelta(hours=1))


@dg.asset(group_name="shop", kinds={"duckdb"}, owners=["team:shop"], tags={"tier": "gold"})
def broken() -> None:
    """Fail while the file `mended` is missing."""
    if not (HOME / "mended").exists():
        raise ValueError("orders of 2026-05-01 have no currency")


@dg.asset(group_name="shop")
def sound() -> int:
    """Succeed."""
    return 1


@dg.asset_check(asset=sound)
def passes() -> dg.AssetCheckResult:
    """Pass."""
    return dg.AssetCheckResult(passed=True)


@dg.asset_check(asset=sound)
def warns() -> dg.AssetCheckResult:
    """Warn."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="2 rows are odd"
    )


@dg.asset_check(asset=sound)
def errs() -> dg.AssetCheckResult:
    """Err while the file `mended` is missing."""
    return dg.AssetCheckResult(passed=(HOME / "mended").exists(), description="the ledger does not balance")


@dg.asset_check(asset=sound)
def crashes() -> dg.AssetCheckResult:
    """Raise instead of giving a verdict."""
    raise ConnectionError("the warehouse is gone")


@dg.asset(group_name="shop", partitions_def=dg.StaticPartitionsDefinition(["eu"]))
def split() -> None:
    """Fail while the file `mended` is missing, in each partition."""
    if not (HOME / "mended").exists():
        raise LookupError("no file of that day")


FRESHNESS = [dg.AssetSpec(name, freshness_policy=STALE) for name in ("fresh", "aging", "stale")]


@dg.sensor(job_name="fails", minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def failing_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fail while the file `mended` is missing."""
    if not (HOME / "mended").exists():
        raise TimeoutError("the shop does not answer")
    return dg.SkipReason("nothing to do")


@dg.schedule(job_name="fails", cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def failing_schedule(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
    """Fail at every minute."""
    raise KeyError("holiday calendar")


HOOKS = {record_step_failure, record_step_success}
JOBS = [
    dg.define_asset_job("fails", selection=[broken], hooks=HOOKS, executor_def=dg.in_process_executor),
    dg.define_asset_job(
        "succeeds",
        selection=dg.AssetSelection.assets(sound).without_checks()
        | dg.AssetSelection.checks(passes.check_key, warns.check_key),
        hooks=HOOKS,
        executor_def=dg.in_process_executor,
        tags={"team": "shop"},
    ),
    dg.define_asset_job(
        "is_checked",
        selection=dg.AssetSelection.checks(errs.check_key, crashes.check_key),
        executor_def=dg.in_process_executor,
    ),
    *(
        dg.define_asset_job(name, selection=[sound], executor_def=dg.in_process_executor)
        for name in ("takes_long", "is_canceled")
    ),
]


@dg.definitions
def definitions() -> dg.Definitions:
    """Return the location for the settings of the environment."""
    settings = read_settings()
    return dg.Definitions(
        assets=[broken, sound, split, *FRESHNESS],
        asset_checks=[passes, warns, errs, crashes],
        jobs=JOBS,
        sensors=[failing_sensor, *collector_sensors()],
        schedules=[failing_schedule],
        resources={
            "platform": platform_resource(settings),
            "notification_outbox": NotificationOutbox(
                url=settings.state_address().get_secret_value(),
                ui_url=settings.ui_url,
                policies_file=str(settings.alert_policies),
                owners={"broken": ["team:shop"]},
                groups={"broken": "shop", "sound": "shop"},
                kinds={"broken": ["duckdb"]},
                queued_s=1.0,
                waiting=2,
            ),
        },
    )
