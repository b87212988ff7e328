"""Schedules for those who prefer batch mode.

They are stopped by default: the sensors already ask for the same runs as soon as something waits. Turn
them on in the UI and the sensors off to work by the clock.
"""

import dagster as dg

from orchestration.jobs import INGEST, REPORTS


def schedules() -> list[dg.ScheduleDefinition]:
    """Return the schedule of batch mode and that of the reports, in UTC."""
    return [
        dg.ScheduleDefinition(
            name="batch_hourly",
            job_name=INGEST,
            cron_schedule="5 * * * *",
            description="Batch mode: takes in and loads what waits, every hour.",
        ),
        dg.ScheduleDefinition(
            name="reports_daily",
            job_name=REPORTS,
            cron_schedule="30 0 * * *",
            description="Refreshes the touched report days, every night.",
        ),
    ]
