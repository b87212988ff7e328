"""Small pipelines that fail in every way the collector knows."""

import dagster as dg

from resources.errors import PermanentError
from resources.notifications.resource import NotificationOutbox
from sensors.hooks import record_step_failure, record_step_success


@dg.asset(owners=["team:sales"])
def sound() -> int:
    """Succeed."""
    return 1


@dg.asset
def broken() -> None:
    """Fail with an error raised on as another."""
    try:
        raise OSError("no room\nleft at amqp://me:secret@host/x")
    except OSError as error:
        raise ValueError("cannot refresh; free some room") from error


@dg.asset
def unreadable() -> None:
    """Fail as the platform does: a clear line on what a library said, in a failure without retries."""
    try:
        try:
            raise OSError("not a valid file")
        except OSError as error:
            line = "orders.duckdb is no warehouse: `orders rebuild` makes it anew"
            raise PermanentError(line) from error
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
def stubborn() -> None:
    """Fail at every try."""
    raise KeyError("never")


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
def recovering(context: dg.AssetExecutionContext) -> None:
    """Fail at the first try only."""
    if context.retry_number == 0:
        raise ConnectionError("not yet")


@dg.asset_check(asset=sound)
def warns() -> dg.AssetCheckResult:
    """Fail with a warning, which leaves the run green."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="2 rows look odd"
    )


@dg.asset_check(asset=sound)
def errs() -> dg.AssetCheckResult:
    """Fail as an error that does not block, which leaves the run green."""
    return dg.AssetCheckResult(passed=False, description="the ledger does not balance")


@dg.asset_check(asset=sound)
def passes() -> dg.AssetCheckResult:
    """Pass."""
    return dg.AssetCheckResult(passed=True)


def job(*assets: dg.AssetsDefinition, checks: bool = False, hooked: str = "") -> dg.JobDefinition:
    """Return an in-process job `refresh` over the assets; `hooked` is the outbox of its hook."""
    definitions = dg.Definitions(
        assets=assets,
        asset_checks=[warns, errs, passes] if checks else [],
        jobs=[
            dg.define_asset_job(
                "refresh",
                selection=dg.AssetSelection.all(),
                hooks={record_step_failure, record_step_success} if hooked else None,
            )
        ],
        resources={"notification_outbox": NotificationOutbox(url=hooked)} if hooked else {},
        executor=dg.in_process_executor,
    )
    return definitions.resolve_job_def("refresh")


def run(instance: dg.DagsterInstance, definition: dg.JobDefinition) -> str:
    """Execute the job in this process and return its run id, whatever came of it."""
    return definition.execute_in_process(instance=instance, raise_on_error=False).run_id
