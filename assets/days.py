"""Days as partitions: which ones a run was asked for, and what it tells about the ones it chose itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from assets.reports.refresh import Stretch


@dataclass(frozen=True, slots=True, order=True)
class Partitions:
    """The days that are valid partitions, both ends included."""

    first: date
    last: date

    def key_of(self, first: date, last: date) -> str | None:
        """Return the partition that stands for the days first..last, None when none of them is one."""
        if last < self.first or first > self.last:
            return None
        return min(last, self.last).isoformat()


def selected_days(context: dg.AssetExecutionContext) -> list[date] | None:
    """Return the days that the run was asked for, None when it shall choose them itself."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    return [date.fromisoformat(key) for key in context.partition_keys]


def day_events(
    keys: Iterable[str], days: "Sequence[Stretch]", partitions: Partitions
) -> Iterator[dg.AssetMaterialization]:
    """Yield one event for each asset and stretch of days.

    An event costs 25 to 45 ms, so a stretch has one, in the name of its last day. Days outside the
    partitions are in the tables all the same, and their event names no partition.
    """
    for key in keys:
        for stretch in days:
            yield dg.AssetMaterialization(
                key,
                partition=partitions.key_of(stretch.first, stretch.last),
                metadata={
                    "first_day": stretch.first.isoformat(),
                    "last_day": stretch.last.isoformat(),
                    "days": stretch.days,
                },
            )
