"""How stream mode is doing, in a small file that others look at: status, sensors, people.

It is written every second and replaced as a whole. A stream that was killed leaves it behind; it then counts
as dead once it is old or its process is gone.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

_FRESH: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """One feed: `state` is connecting, running, paused, waiting or stopped, and `reason` says why."""

    feed: str
    state: str
    reason: str
    lag: int
    landed: int
    landed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """The stream: `loaded` messages so far, the newest load and its seconds, the newest published copy.

    `untold` counts notes to Dagster that were merged away because Dagster did not answer.
    """

    pid: int
    started_at: datetime
    updated_at: datetime
    feeds: tuple[FeedHealth, ...]
    loaded: int
    loaded_at: datetime | None
    load_s: float
    published_at: datetime | None
    untold: int
    reason: str = ""


def write_health(file: Path, health: StreamHealth) -> None:
    """Replace the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{health.pid}")
    partial.write_bytes(msgspec.json.encode(health))
    partial.rename(file)


def read_health(file: Path, now: datetime) -> StreamHealth | None:
    """Return the health of a stream that is alive, None when none is."""
    try:
        health = msgspec.json.decode(file.read_bytes(), type=StreamHealth)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return health if now - health.updated_at < _FRESH and _is_alive(health.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
