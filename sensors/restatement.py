"""The sensor that asks for exactly the report days that LOAD touched."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import dagster as dg

from assets.days import Partitions
from assets.platform import Platform, PlatformParam
from resources.errors import TransientError

if TYPE_CHECKING:
    from assets.reports.refresh import Stretch

RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
_MOST_RUNS: Final = 8
_NEWEST_LOAD: Final = "SELECT coalesce(max(load_no), 0) FROM store.touched_days"


def restatement_sensor(job: str) -> dg.SensorDefinition:
    """Return the sensor.

    It runs by default: reports that lag behind their orders are wrong, and refreshing a day again is safe.
    """

    @dg.sensor(
        name="restatement",
        job_name=job,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for exactly the report days that orders touched, a run for each stretch.",
    )
    def restatement(platform: PlatformParam) -> list[dg.RunRequest] | dg.SkipReason:
        if platform.is_streaming():
            return dg.SkipReason("stream mode refreshes the touched days")
        try:
            stretches, newest_load = touched(platform)
        except TransientError as error:
            return dg.SkipReason(f"the warehouse is in use: {error}")
        if not stretches:
            return dg.SkipReason("no report day is out of date")
        return requests(stretches, newest_load, Partitions(platform.first_day, platform.last_day))

    return restatement


def touched(platform: Platform) -> "tuple[list[Stretch], int]":
    """Return the touched days and the greatest load that touched one.

    Raises TransientError at once when the warehouse is locked.
    """
    from assets.reports.refresh import stretches, touched_days

    warehouse = platform.impatient_warehouse()
    if not warehouse.exists():
        return [], 0
    with warehouse.writing() as connection:
        row = connection.execute(_NEWEST_LOAD).fetchone()
        assert row is not None
    return stretches(touched_days(warehouse)), int(row[0])


def requests(stretches: "Sequence[Stretch]", newest_load: int, valid: Partitions) -> list[dg.RunRequest]:
    """Return a run for each stretch, by partition range.

    Days that are no partitions have no range, and a run costs 4 to 5 s: for these, and for more than
    a few stretches, one run without a range is asked for. It finds the touched days by itself.
    """
    are_partitions = all(valid.first <= s.first and s.last <= valid.last for s in stretches)
    if len(stretches) > _MOST_RUNS or not are_partitions:
        return [dg.RunRequest(run_key=f"{stretches[0].first}..{stretches[-1].last}/all@{newest_load}")]
    return [
        dg.RunRequest(
            run_key=f"{stretch.first}..{stretch.last}@{newest_load}",
            tags={RANGE_START: stretch.first.isoformat(), RANGE_END: stretch.last.isoformat()},
        )
        for stretch in stretches
    ]
