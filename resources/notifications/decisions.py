"""What a policy engine says of an event, and what it may look at: plain values between decide and deliver.

An engine is a pure function. The outbox calls it once for each event, in the order recorded, and keeps
what it says: each (event, policy, channel) becomes one delivery.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from resources.notifications.events import DEFAULT_POLICY, GOOD_NEWS, Event, Severity

MOST_REPEATS: Final = 1_000
"""How often an incident is told again at most, where a policy does not say."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One policy sends one event to one channel, now, later, with others, or not at all.

    `severity` replaces the event's own. `muted` is why nothing is sent (a silence, an inhibition), "" when it
    is sent; an incident that is still open at `muted_until` is told then. `not_before` puts it off (quiet
    hours).

    Deliveries of one policy and channel with the same `group_key` share notices: the first goes out after
    `group_wait_s`; what comes within `group_interval_s` of it waits and goes out as one digest with the
    number it stands for. "" sends each alone. The default engine groups by the event's incident.

    An incident's recovery goes to those who were told of its opening when `tells_recovery`, once the
    incident has stayed closed for `recovery_wait_s`; while it stays open it is told again every `repeat_s`
    (0: never), `repeats` times at most. `fallback_channel` gets the event when this channel has failed
    for good.
    """

    channel: str
    policy: str = DEFAULT_POLICY
    severity: Severity | None = None
    muted: str = ""
    muted_until: datetime | None = None
    not_before: datetime | None = None
    group_key: str = ""
    group_wait_s: float = 0.0
    group_interval_s: float = 300.0
    recovery_wait_s: float = 30.0
    tells_recovery: bool = True
    repeat_s: float = 0.0
    repeats: int = MOST_REPEATS
    fallback_channel: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """What is not to be told until `until`: events that all `matchers` fit (names are the engine's).

    `reason` and `author` are for people.
    """

    silence_id: str
    matchers: Mapping[str, str]
    starts_at: datetime
    until: datetime
    reason: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an engine may look at besides the event: the time, silences in force, and what is broken now.

    `open_incidents` maps each incident that was opened and has not recovered to the event that opened it.
    """

    now: datetime
    silences: Sequence[Silence] = ()
    open_incidents: Mapping[str, Event] = field(default_factory=dict)


class Engine(Protocol):
    """Decides who hears of an event. Pure; none for an event that no policy matches.

    Recoveries need not be matched: who was told of an opening is told of its recovery by the outbox. Of a
    success that ends an incident, who is matched besides hears as of any other success.
    """

    def __call__(self, event: Event, circumstances: Circumstances) -> Sequence[Decision]:
        """Return at most one decision for each policy and channel."""
        ...


@dataclass(frozen=True, slots=True)
class Everyone:
    """The engine without any policies: every event goes to every channel, grouped by its incident."""

    channels: tuple[str, ...]

    def __call__(self, event: Event, circumstances: Circumstances) -> Sequence[Decision]:
        """Return one decision for each channel."""
        del circumstances
        key = kept_apart(event, event.incident)
        return [Decision(name, group_key=key) for name in dict.fromkeys(self.channels)]


def kept_apart(event: Event, group_key: str) -> str:
    """Return the key of the event's group: good news are grouped among themselves.

    So a success never holds a failure up, nor opens under the key of an incident what nothing will close.
    """
    return f"good news|{group_key}" if group_key and event.event_type in GOOD_NEWS else group_key
