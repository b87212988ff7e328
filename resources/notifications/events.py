"""What can be notified: an event, its facts in the order a reader needs them, and a notice of it."""

import re
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

DEFAULT_POLICY = "default"
"""The name under which events go out while there are no policies."""
_MAX_TEXT = 400
_CREDENTIALS = re.compile(r"(\w://)[^\s/]*@")


class EventType(StrEnum):
    """Dagster+'s 22 documented names, then ours; some of the former have no data in open source."""

    JOB_FAILURE = "JOB_FAILURE"
    JOB_SUCCESS = "JOB_SUCCESS"
    JOB_LONG_RUNNING = "JOB_LONG_RUNNING"
    ASSET_MATERIALIZATION_SUCCESS = "ASSET_MATERIALIZATION_SUCCESS"
    ASSET_MATERIALIZATION_FAILURE = "ASSET_MATERIALIZATION_FAILURE"
    ASSET_CHECK_PASSED = "ASSET_CHECK_PASSED"
    ASSET_CHECK_EXECUTION_FAILURE = "ASSET_CHECK_EXECUTION_FAILURE"
    ASSET_CHECK_SEVERITY_WARN = "ASSET_CHECK_SEVERITY_WARN"
    ASSET_CHECK_SEVERITY_ERROR = "ASSET_CHECK_SEVERITY_ERROR"
    ASSET_FRESHNESS_PASS = "ASSET_FRESHNESS_PASS"  # noqa: S105 - no password
    ASSET_FRESHNESS_WARN = "ASSET_FRESHNESS_WARN"
    ASSET_FRESHNESS_FAIL = "ASSET_FRESHNESS_FAIL"
    ASSET_HEALTH_HEALTHY = "ASSET_HEALTH_HEALTHY"
    ASSET_HEALTH_WARNING = "ASSET_HEALTH_WARNING"
    ASSET_HEALTH_DEGRADED = "ASSET_HEALTH_DEGRADED"
    ASSET_OVERDUE = "ASSET_OVERDUE"
    ASSET_TABLE_SCHEMA_CHANGE = "ASSET_TABLE_SCHEMA_CHANGE"
    TICK_FAILURE = "TICK_FAILURE"
    CODE_LOCATION_ERROR = "CODE_LOCATION_ERROR"
    AGENT_UNAVAILABLE = "AGENT_UNAVAILABLE"
    INSIGHTS_CONSUMPTION_EXCEEDED = "INSIGHTS_CONSUMPTION_EXCEEDED"
    METRIC_MONITOR_ALERT = "METRIC_MONITOR_ALERT"

    STEP_FAILURE = "STEP_FAILURE"
    RUN_CANCELED = "RUN_CANCELED"
    DAEMON_UNAVAILABLE = "DAEMON_UNAVAILABLE"
    RUN_QUEUE_BACKLOG = "RUN_QUEUE_BACKLOG"
    BACKFILL_FAILURE = "BACKFILL_FAILURE"
    QUEUE_BACKLOG = "QUEUE_BACKLOG"
    RECORDS_REJECTED = "RECORDS_REJECTED"
    ORDER_EVENT = "ORDER_EVENT"
    NOTIFICATION_DEAD = "NOTIFICATION_DEAD"


GOOD_NEWS: Final = frozenset(
    {
        EventType.JOB_SUCCESS,
        EventType.ASSET_MATERIALIZATION_SUCCESS,
        EventType.ASSET_CHECK_PASSED,
        EventType.ASSET_FRESHNESS_PASS,
    }
)
"""Facts of health. They break nothing, and may end what is broken."""


class Severity(StrEnum):
    """How bad it is, from the mildest; channels map it to their own scales."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Targets:
    """What an event is about, for policies to select by; an empty field says that it has none.

    `assets` are keys as `a/b`; `groups` and `kinds` are those of the assets; `tags` those of the run.
    """

    location: str = ""
    job: str = ""
    run_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    assets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    instigator: str = ""
    feed: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers a notice owes its reader, in this order; `since` is aware UTC."""

    what_broke: str
    since: datetime
    how_many: str
    owners: tuple[str, ...]
    next_step: str
    link: str

    def answers(self) -> tuple[tuple[str, str], ...]:
        """Return (question, answer) pairs in reading order."""
        return (
            ("what broke", self.what_broke),
            ("since", self.since.isoformat(timespec="seconds")),
            ("how many", self.how_many),
            ("owner", ", ".join(self.owners) or "unknown"),
            ("next", self.next_step),
            ("link", self.link),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """A fact worth telling. The same fact always has the same `event_key`, whoever finds it.

    `incident` names the condition that this event opens (`job/ingest`, `check/orders/key_is_unique`), or
    closes when `is_recovery`; "" where there is nothing to recover from. `details` are further facts by
    name, for policies and machines: of an order its status, source and amount (a decimal string).
    """

    event_key: str
    event_type: EventType
    subject: str
    occurred_at: datetime
    title: str
    facts: Facts
    severity: Severity = Severity.ERROR
    incident: str = ""
    is_recovery: bool = False
    targets: Targets = field(default_factory=Targets)
    details: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def opens(self) -> bool:
        """Whether its incident is open from it on."""
        return bool(self.incident) and not self.is_recovery and self.event_type not in GOOD_NEWS

    @property
    def is_mere_recovery(self) -> bool:
        """Whether it only says that something is over: a success also counts for itself."""
        return self.is_recovery and self.event_type not in GOOD_NEWS


@dataclass(frozen=True, slots=True)
class Notice:
    """What one channel gets: one event, or a digest of several of one group.

    `delivery_id` stays the same over all attempts, and so does the rest but `attempt`. `event` is the
    latest of the `count` events, with its facts already saying how many and since when; `others` are
    titles of the rest, at most ten. `thread` is one key from an opening over its reminders to its
    recovery; when `is_resolved`, nothing in it is open any more. `severity` is the policy's, or the
    event's own.
    """

    delivery_id: str
    attempt: int
    event: Event
    policy: str = DEFAULT_POLICY
    severity: Severity = Severity.ERROR
    thread: str = ""
    is_resolved: bool = False
    count: int = 1
    others: tuple[str, ...] = ()


def delivery_id(event_key: str, channel: str, policy: str = DEFAULT_POLICY) -> str:
    """Return the one id under which a policy tells `channel` of this event, however often it is tried.

    It is short ASCII, fit for a header, whatever the event key holds.
    """
    digest = sha256("\0".join((event_key, policy, channel)).encode("utf-8", "surrogatepass")).digest()
    return "ntc_" + b32encode(digest[:20]).decode().lower()


def one_line(text: str) -> str:
    """Return `text` as one printable line of valid Unicode, bounded, without URL credentials."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    printable = "".join(c if c.isprintable() else " " for c in encodable)
    line = _CREDENTIALS.sub(r"\1***@", " ".join(printable.split()))
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1] + "…"
