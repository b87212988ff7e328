"""A policy as the engine uses it, and the book of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

from resources.notifications.decisions import MOST_REPEATS
from resources.notifications.events import EventType, Severity
from resources.notifications.policies.services import ServiceSpec
from resources.notifications.policies.targets import Target


@dataclass(frozen=True, slots=True)
class Grouping:
    """Events with the same `by` share notices: the first waits `wait_s`, then one in `interval_s`."""

    by: tuple[str, ...]
    wait_s: float
    interval_s: float


@dataclass(frozen=True, slots=True)
class Inhibition:
    """Muted while an incident of these types is open that has the same `equal` and matches the targets."""

    event_types: frozenset[EventType]
    targets: tuple[Target, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """An event is expected by this time of these weekdays (0 is Monday)."""

    expected_by: time
    zone: ZoneInfo
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which notices milder than `except_from` wait, or are dropped; days are those of the start."""

    start: time
    end: time
    zone: ZoneInfo
    days: frozenset[int]
    drops: bool
    except_from: Severity


@dataclass(frozen=True, slots=True)
class Policy:
    """Which events, about what, tell which channels, and how; `line` is where it stands in the file.

    No targets select every event of the types. `fallback` is the channel for what `channels` gave up, ""
    for none.
    """

    name: str
    event_types: frozenset[EventType]
    channels: tuple[str, ...]
    line: int = 0
    description: str = ""
    says_description: bool = False
    targets: tuple[Target, ...] = ()
    needs: tuple[Target, ...] = ()
    excludes: tuple[Target, ...] = ()
    fallback: str = ""
    grouping: Grouping | None = None
    repeat_s: float = 0.0
    repeats: int = MOST_REPEATS
    inhibitions: tuple[Inhibition, ...] = ()
    tells_recovery: bool = True
    expectation: Expectation | None = None
    severity: Severity | None = None
    min_severity: Severity | None = None
    quiet: tuple[Quiet, ...] = ()
    is_retry_aware: bool = False
    consecutive_failures: int = 1
    schema_changes: frozenset[str] = frozenset()
    long_running_s: tuple[float, ...] = ()
    owner: str = ""
    next_step: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a line of a file, or deserves a warning; `key` is the key at fault."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """Return `file:line: key: text`."""
        return f"{self.file}:{self.line}: {self.key}: {self.text}" if self.key else self.at + self.text

    @property
    def at(self) -> str:
        """Return `file:line: `."""
        return f"{self.file}:{self.line}: "


@dataclass(frozen=True, slots=True)
class Policies:
    """A file of policies that was read: the enabled ones, and what their channels' names stand for."""

    policies: tuple[Policy, ...] = ()
    services: Mapping[str, ServiceSpec] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    @property
    def long_running_s(self) -> tuple[float, ...]:
        """The thresholds, in seconds, at which a running job is to be told of, ascending."""
        return tuple(sorted({seconds for policy in self.policies for seconds in policy.long_running_s}))
