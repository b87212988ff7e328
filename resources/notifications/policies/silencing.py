"""What two events have in common by a name, and which silence an event falls under."""

import fnmatch
from collections.abc import Iterable, Mapping

from resources.errors import PermanentError
from resources.notifications.decisions import Silence
from resources.notifications.events import Event
from resources.notifications.policies.policy import Policy

_OF_EVENT = ("event_type", "severity", "subject", "incident")
_OF_TARGETS = ("job", "run_id", "location", "instigator", "feed")
_MANY = {"asset": "assets", "group": "groups", "kind": "kinds"}
MATCHER_NAMES = ("policy", "channel", *_OF_EVENT, *_OF_TARGETS, *_MANY, "owner", "tag:NAME")
"""What a silence may match by; the values may hold `*`."""


def same_as(event: Event, name: str) -> str:
    """Return what an event has by a name of `by` or `equal`; events with the same text are alike."""
    about = event.targets
    if name in ("asset", "group"):
        return ",".join(sorted(about.assets if name == "asset" else about.groups))
    if name == "event_type":
        return event.event_type.value
    if name in ("severity", "subject", "incident"):
        return str(getattr(event, name))
    return str(getattr(about, name))


def silenced(policy: Policy, channel: str, event: Event, silences: Iterable[Silence]) -> Silence | None:
    """Return the silence in force that ends last of those that the notice falls under."""
    fitting = [silence for silence in silences if _fits(silence.matchers, policy, channel, event)]
    return max(fitting, key=lambda silence: silence.until, default=None)


def demand_matchers(matchers: Mapping[str, str]) -> None:
    """Raise PermanentError for no matchers at all, or one by a name that is not known."""
    if not matchers:
        raise PermanentError("a silence needs a matcher, such as job=ingest or severity=warning")
    for name in matchers:
        if name not in MATCHER_NAMES and not name.startswith("tag:"):
            raise PermanentError(f"a silence cannot match by {name}: use {', '.join(MATCHER_NAMES)}")


def _fits(matchers: Mapping[str, str], policy: Policy, channel: str, event: Event) -> bool:
    return bool(matchers) and all(
        any(fnmatch.fnmatchcase(value, pattern) for value in _values(name, policy, channel, event))
        for name, pattern in matchers.items()
    )


def _values(name: str, policy: Policy, channel: str, event: Event) -> Iterable[str]:
    if name in ("policy", "channel"):
        return (policy.name if name == "policy" else channel,)
    if name == "severity":
        return (str(policy.severity or event.severity),)
    if name == "owner":
        return event.facts.owners
    if name.startswith("tag:"):
        return (event.targets.tags.get(name.removeprefix("tag:"), ""),)
    if name in _MANY:
        return tuple(getattr(event.targets, _MANY[name]))
    return (same_as(event, name),)
