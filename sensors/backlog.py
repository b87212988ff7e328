"""The sensor that asks for a run of `ingest` when messages wait or files have changed."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import dagster as dg

from assets.files.definitions import file_days
from assets.platform import Platform, PlatformParam
from resources.errors import OrdersError

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_PAUSE_AFTER_FAILURE_S = 300


def backlog_sensor(job: str) -> dg.SensorDefinition:
    """Return the sensor.

    It runs by default: it only looks, and with the daemon up orders should flow without a further click.
    While stream mode runs, messages are its business, and only files are looked at.
    """

    @dg.sensor(
        name="backlog",
        job_name=job,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a run of ingest when messages wait or daily files are new or changed.",
    )
    def backlog(
        context: dg.SensorEvaluationContext, platform: PlatformParam
    ) -> dg.SensorResult | dg.SkipReason:
        hindrance = _hindrance(context.instance, job, platform.clock.now())
        if hindrance is not None:
            return dg.SkipReason(hindrance)
        try:
            waiting = 0 if platform.is_streaming() else messages_waiting(platform)
            files = changed_files(platform)
        except OrdersError as error:
            return dg.SkipReason(str(error))
        # A file that cannot be read stays changed: it is asked for once, and again when it is another.
        fingerprint = sha256("\n".join(files).encode()).hexdigest()[:16] if files else ""
        if waiting == 0 and fingerprint in ("", context.cursor):
            return dg.SkipReason("nothing waits")
        context.log.info(f"{waiting} waiting in the brokers, {len(files)} files new or changed")
        return dg.SensorResult([dg.RunRequest()], cursor=fingerprint)

    return backlog


def messages_waiting(platform: Platform) -> int:
    """Return how many messages (for an inbox: files) wait in all feeds.

    Raises what a broker raises when it cannot be asked and nothing waits in the others.
    """
    waiting = 0
    failures: list[OrdersError] = []
    with platform.brokers() as brokers:
        for broker in brokers:
            try:
                waiting += broker.backlog()
            except OrdersError as error:
                failures.append(error)
    if failures and not waiting:
        raise failures[0]
    return waiting


def changed_files(platform: Platform) -> Sequence[str]:
    """Return the daily files that are new or changed, each as name, size and time of change."""
    from assets.files.mapping import built_in_mapping, load_mapping

    if platform.files_dir is None:
        return []
    mapping = load_mapping(platform.files_mapping) if platform.files_mapping else built_in_mapping()
    found = []
    for day in file_days(platform):
        path = platform.files_dir / mapping.file_name(day)
        if path.exists():
            found.append(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}")
    return found


def _hindrance(instance: dg.DagsterInstance, job: str, now: datetime) -> str | None:
    """Return why no run is asked for now: one is under way, or the last one has just failed."""
    if instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=_UNDER_WAY)):
        return f"a run of {job} is queued or under way"
    for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=1):
        ended_s_ago = now.timestamp() - (record.end_time or 0)
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE and ended_s_ago < _PAUSE_AFTER_FAILURE_S:
            return f"the last run of {job} failed {ended_s_ago:.0f} s ago"
    return None
