"""The partitions of reports and daily files."""

from datetime import date

import dagster as dg


def daily(first_day: date) -> dg.DailyPartitionsDefinition:
    """Return one partition a UTC day, from `first_day` to tomorrow: clocks differ."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), end_offset=2)
