"""What happens to the stack: `python -m tests.notifications.acceptance.timeline` performs each act it reads.

Runs are executed in this process, on the instance that the daemon watches; some more by the daemon itself.
"""

import sys
import time
from collections.abc import Iterable
from functools import cache

import dagster as dg

# Dagster has no public names for these.
from dagster._core.events import StepMaterializationData  # noqa: TID251
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # noqa: TID251

from assets.landing.land import land
from assets.orders.load import load
from assets.platform import Platform
from orchestration.build import build_platform
from orchestration.settings import read_settings
from resources.brokers.port import Outgoing
from resources.warehouse.publish import publish
from tests.cli.running import message
from tests.notifications.acceptance.location import HOME, definitions

SAFE = dg.TableColumn("amount", "DECIMAL(18,4)")


@cache
def shop() -> dg.Definitions:
    """Return the code location, made once."""
    return definitions()


def run(instance: dg.DagsterInstance, job: str) -> None:
    """Execute a job to its end, whatever comes of it."""
    defined = shop().resolve_job_def(job)
    defined.execute_in_process(instance=instance, raise_on_error=False)


def begun(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun:
    """Return a run that has begun, and that nobody executes."""
    defined = shop().resolve_job_def(job)
    return instance.create_run_for_job(defined, status=dg.DagsterRunStatus.STARTED)


def materialized(instance: dg.DagsterInstance, asset: str, *, hours_ago: float = 0.0) -> None:
    """Report a materialization outside of runs, as if it had happened some time ago."""
    instance.report_dagster_event(
        dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name="outside",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(asset)),
        ),
        run_id="",
        timestamp=time.time() - hours_ago * 3600,
    )


def reshaped(instance: dg.DagsterInstance, *columns: dg.TableColumn) -> None:
    """Report a materialization of a table with these columns."""
    schema = dg.MetadataValue.table_schema(dg.TableSchema(list(columns)))
    instance.report_runless_asset_event(
        dg.AssetMaterialization("prices", metadata={"dagster/column_schema": schema})
    )


def backfilled(instance: dg.DagsterInstance, asset: str) -> None:
    """Leave a backfill that has succeeded: a real one takes the daemon a minute."""
    instance.add_backfill(
        PartitionBackfill(
            "again",
            BulkActionStatus.COMPLETED_SUCCESS,
            from_failure=False,
            tags={},
            backfill_timestamp=time.time(),
            asset_selection=[dg.AssetKey(asset)],
            backfill_end_timestamp=time.time(),
        )
    )


def loaded(platform: Platform, messages: Iterable[bytes]) -> None:
    """Publish messages, land, load, and publish the copy."""
    with platform.broker() as broker:
        broker.publish(Outgoing(body) for body in messages)
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    publish(platform.warehouse)


def breaks(instance: dg.DagsterInstance, _: Platform) -> None:
    """Let everything go wrong that can."""
    begun(instance, "takes_long")
    for asset, hours_ago in (("aging", 1.5), ("stale", 3.0)):
        materialized(instance, asset, hours_ago=hours_ago)
    reshaped(instance, SAFE)
    run(instance, "is_checked")
    instance.report_run_canceled(begun(instance, "is_canceled"), message="stopped by an operator")
    reshaped(instance, dg.TableColumn("amount", "FLOAT"), dg.TableColumn("currency", "VARCHAR"))


def goes_well(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Let things happen that are told only because somebody asks for them; and leave a backlog."""
    materialized(instance, "fresh")
    run(instance, "succeeds")
    loaded(
        platform,
        [message("e-1", "o-1"), message("e-2", "o-2", status="refunded"), b'{"specversion": "1.0"'],
    )
    with platform.broker() as broker:
        for number in range(3):
            broker.publish([Outgoing(message(f"w-{number}", f"w-{number}"))])


def is_mended(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Let everything go well again."""
    (HOME / "mended").touch()
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
        instance.report_run_canceled(record.dagster_run)
    for record in instance.get_run_records(dg.RunsFilter(job_name="takes_long")):
        instance.report_run_canceled(record.dagster_run)
    materialized(instance, "stale")
    run(instance, "fails")
    run(instance, "is_checked")
    backfilled(instance, "split")
    loaded(platform, [])


def main() -> None:
    """Perform the acts named on stdin, and say of each when it is over."""
    acts = {act.__name__: act for act in (breaks, goes_well, is_mended)}
    with dg.DagsterInstance.get() as instance:
        for line in sys.stdin:
            acts[line.strip()](instance, build_platform(read_settings()))
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
