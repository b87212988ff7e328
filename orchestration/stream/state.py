"""What the tasks of the stream tell each other, all on one event loop."""

import asyncio
import os
import random
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from assets.landing.health import FeedHealth, StreamHealth
from assets.landing.land import SEGMENT_BYTES
from resources.clock import Clock, SystemClock

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class FeedState:
    """How one feed is doing."""

    feed: str
    state: str = "connecting"
    reason: str = ""
    lag: int = 0
    landed: int = 0
    landed_at: datetime | None = None

    def health(self) -> FeedHealth:
        """Return it for the file."""
        return FeedHealth(self.feed, self.state, self.reason, self.lag, self.landed, self.landed_at)


@dataclass(slots=True)
class Notes:
    """What Dagster has not been told yet, added up: bounded by the number of assets, not by time."""

    landed: int = 0
    segments: int = 0
    loaded: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    days: int = 0
    values: int = 0
    published: int = 0
    merged: int = 0

    def add(self, other: "Notes") -> None:
        """Add another's numbers."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class State:
    """The whole stream. `segment_bytes` is how much LAND puts into one segment: what loads in good time.

    `load_ends_at` is when the load that runs will end, if it takes as long as the one before, by the
    monotonic clock.
    """

    feeds: dict[str, FeedState]
    clock: Clock = field(default_factory=SystemClock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    feeds_ended: asyncio.Event = field(default_factory=asyncio.Event)
    loads_ended: asyncio.Event = field(default_factory=asyncio.Event)
    reports_ended: asyncio.Event = field(default_factory=asyncio.Event)
    between_loads: asyncio.Event = field(default_factory=asyncio.Event)
    is_disk_full: bool = False
    reason: str = ""
    segment_bytes: int = SEGMENT_BYTES
    notes: Notes = field(default_factory=Notes)
    told: Notes = field(default_factory=Notes)
    untold: int = 0
    merged: int = 0
    loaded: int = 0
    loaded_at: datetime | None = None
    load_s: float = 0.0
    load_ends_at: float = 0.0
    published_at: datetime | None = None
    started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Note the time."""
        self.started_at = self.clock.now()
        self.between_loads.set()

    def health(self) -> StreamHealth:
        """Return it for the file."""
        return StreamHealth(
            os.getpid(),
            self.started_at,
            self.clock.now(),
            tuple(feed.health() for feed in self.feeds.values()),
            self.loaded,
            self.loaded_at,
            self.load_s,
            self.published_at,
            self.untold,
            self.reason,
        )


@dataclass(slots=True)
class Pauses:
    """Growing pauses with jitter between attempts: at most `first_s`, twice that, up to `longest_s`."""

    first_s: float = 0.5
    longest_s: float = 30.0
    attempts: int = 0

    def next(self) -> float:
        """Return the next pause in seconds."""
        limit = min(self.longest_s, self.first_s * 2.0 ** min(self.attempts, 16))
        self.attempts += 1
        return limit * (0.5 + random.random() / 2)

    def over(self) -> None:
        """Begin small again: it worked."""
        self.attempts = 0


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set, at most `seconds`; return whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def in_thread(
    executor: Executor,
    function: Callable[_P, _T],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Run a blocking call in an executor of its own."""
    call = partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(executor, call)
