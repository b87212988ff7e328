"""What can be notified: an event, its facts in the order a reader needs them, and a notice of it."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_MAX_TEXT = 400
_CREDENTIALS = re.compile(r"(\w://)[^\s/]*@")


class EventType(StrEnum):
    """Dagster+'s documented names where it has one; STEP_FAILURE is ours."""

    JOB_FAILURE = "JOB_FAILURE"
    STEP_FAILURE = "STEP_FAILURE"
    ASSET_CHECK_SEVERITY_ERROR = "ASSET_CHECK_SEVERITY_ERROR"
    ASSET_CHECK_SEVERITY_WARN = "ASSET_CHECK_SEVERITY_WARN"


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
    """A fact worth telling. The same fact always has the same `event_key`, whoever finds it."""

    event_key: str
    event_type: EventType
    subject: str
    occurred_at: datetime
    title: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Notice:
    """One event on its way to one channel; `delivery_id` stays the same over all attempts."""

    delivery_id: str
    attempt: int
    event: Event


def delivery_id(event_key: str, channel: str) -> str:
    """Return the one id under which `channel` gets this event, however often it is tried."""
    return f"{event_key}@{channel}"


def one_line(text: str) -> str:
    """Return `text` as one printable line of valid Unicode, bounded, without URL credentials."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    printable = "".join(c if c.isprintable() else " " for c in encodable)
    line = _CREDENTIALS.sub(r"\1***@", " ".join(printable.split()))
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1] + "…"
