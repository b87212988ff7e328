"""Durations, times of day, time zones and weekdays as they are written in a policy."""

import re
from collections.abc import Sequence
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def seconds_in(duration: str | int) -> float:
    """Return the seconds of `90`, `30s`, `5m`, `2h`, `1d`; ValueError for anything else."""
    found = _DURATION.fullmatch(str(duration).strip())
    if found is None:
        raise ValueError(f"{duration!r} is no duration: write 30s, 5m, 2h or 1d")
    return float(found[1]) * _SECONDS[found[2]]


def time_of_day(text: str) -> time:
    """Return the time of `HH:MM`; ValueError for anything else."""
    return time.fromisoformat(text)


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone; ValueError for one that is not known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: write one such as Europe/Berlin") from error


def days_of(names: Sequence[str]) -> frozenset[int]:
    """Return weekdays as numbers from 0, Monday; none given means all."""
    return frozenset(WEEKDAYS.index(name) for name in names) or frozenset(range(7))
