"""Which facts are worth a row of the outbox: all troubles, and what goes well where somebody asks for it.

A busy platform succeeds many times a minute. So a success is recorded when it closes an incident, or when a
policy subscribes to its type: from the moment on at which the collector first sees that subscription.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from resources.notifications.events import GOOD_NEWS, Event, EventType
from resources.notifications.policies.matching import Matcher
from resources.notifications.policies.policy import Policies, Policy

QUIET: Final = GOOD_NEWS | {EventType.ORDER_EVENT}
"""Facts of health, and orders: recorded only on request."""


@dataclass(frozen=True, slots=True)
class OrderInterest:
    """The orders that policies ask for: of these statuses and sources (empty: all), and then by `asks`."""

    asks: Callable[[Event], bool]
    statuses: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Interest:
    """What the policies subscribe to among the quiet types, and after how long a run is a long one.

    Without `orders` no order is recorded.
    """

    quiet_types: frozenset[EventType] = frozenset()
    orders: OrderInterest | None = None
    long_running_s: tuple[float, ...] = (3600.0,)

    @property
    def types(self) -> frozenset[EventType]:
        """The quiet types that are recorded."""
        order = {EventType.ORDER_EVENT} if self.orders else set[EventType]()
        return (self.quiet_types - {EventType.ORDER_EVENT}) | order


def interest_of(policies: Policies) -> Interest:
    """Return what these policies subscribe to."""
    types = frozenset(t for policy in policies.policies for t in policy.event_types) & QUIET
    return Interest(types, _orders(policies), policies.long_running_s or (3600.0,))


def _orders(policies: Policies) -> OrderInterest | None:
    asking = [p for p in policies.policies if EventType.ORDER_EVENT in p.event_types]
    if not asking:
        return None
    matcher = Matcher(asking)
    return OrderInterest(
        lambda event: bool(matcher.matches(event)), _hinted(asking, "status"), _hinted(asking, "source")
    )


def _hinted(asking: Sequence[Policy], name: str) -> frozenset[str]:
    """Return the values that every policy narrows itself to, together; empty when one does not."""
    found = [
        frozenset(value for target in policy.needs for key, value in target.hints or () if key == name)
        for policy in asking
    ]
    return frozenset[str]().union(*found) if all(found) else frozenset()


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Since when each quiet type is asked for."""

    since: dict[EventType, datetime]

    def asks_for(self, event: Event) -> bool:
        """Say whether the event is worth recording for itself: a trouble, or asked for when it happened."""
        if event.event_type not in QUIET:
            return True
        since = self.since.get(event.event_type)
        if since is None:
            return False
        # An order may arrive long after it happened: its reader goes by when it was loaded.
        return event.event_type is EventType.ORDER_EVENT or event.occurred_at >= since
