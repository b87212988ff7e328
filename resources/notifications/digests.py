"""What a notice says when it stands for several events: the latest, since the first, and how many. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from resources.notifications.events import Event, one_line

_SHOWN = 10


def digest(first: Event, latest: Event, count: int, titles: Sequence[str]) -> tuple[Event, tuple[str, ...]]:
    """Return the latest of `count` events with facts for all of them, and at most ten titles of the others.

    `titles` are those of the others, oldest first, perhaps not all; `first` is the oldest of all.
    """
    if count == 1:
        return latest, ()
    others = tuple(dict.fromkeys(titles))[:_SHOWN]
    told = ", ".join(title for title in others if title != latest.title)
    how_many = f"{count} events, the latest: {latest.facts.how_many}" + (f"; also: {told}" if told else "")
    facts = replace(
        latest.facts, since=min(first.facts.since, latest.facts.since), how_many=one_line(how_many)
    )
    return replace(latest, facts=facts), others


def reminder(opening: Event, policy: str, channel: str, number: int, now: datetime) -> Event:
    """Return the event that tells `channel` for the `number`th time that an incident is still open."""
    return replace(
        opening,
        event_key=f"{opening.event_key}/still-open/{policy}/{channel}/{number}",
        occurred_at=now,
        title=one_line(f"Still open: {opening.title}"),
    )
