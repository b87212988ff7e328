"""What happens to orders and their messages, as events made from plain values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from resources.notifications.events import Event, EventType, Facts, Severity, Targets, one_line
from resources.notifications.failures import Surroundings


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An accepted order event; `amount` is the order's total as this event gives it, in `currency`."""

    source: str
    event_id: str
    event_type: str
    order_id: str
    version: int
    kind: str
    status: str
    amount: Decimal
    currency: str
    occurred_at: datetime
    feed: str


def order_event(change: OrderChange, about: Surroundings) -> Event:
    """Return the event of an order that changed; its key is the one under which the event counts once."""
    what = f"order {change.order_id} is {change.status}: {change.amount} {change.currency}"
    return Event(
        event_key=f"{EventType.ORDER_EVENT}/{change.source}/{change.event_id}",
        event_type=EventType.ORDER_EVENT,
        subject=one_line(change.order_id),
        occurred_at=change.occurred_at,
        title=one_line(f"Order {change.order_id} is {change.status}"),
        facts=Facts(
            what_broke=one_line(what),
            since=change.occurred_at,
            how_many="1 order",
            owners=about.owners_of("order_events"),
            next_step="nothing needs to be done",
            link=about.asset_link("order_events"),
        ),
        severity=Severity.INFO,
        targets=Targets(location=about.location, assets=("order_events",), feed=change.feed),
        details={
            "order_id": change.order_id,
            "status": change.status,
            "source": change.source,
            "amount": str(change.amount),
            "currency": change.currency,
            "version": change.version,
            "kind": change.kind,
            "type": change.event_type,
        },
    )


def records_rejected(
    *, feed: str, landed_before: int, landed: int, rejected: int, at: datetime, about: Surroundings
) -> Event:
    """Return the event of what came in since the last look: `rejected` of these messages broke the contract.

    With none rejected it closes what the look before opened. `landed` are totals of the feed.
    """
    new = landed - landed_before
    rate = rejected / new if new > 0 else 0.0
    what = f"{rejected:,} of {new:,} messages of feed {feed} were rejected ({rate:.1%})"
    return Event(
        event_key=f"{EventType.RECORDS_REJECTED}/{feed}/{landed}",
        event_type=EventType.RECORDS_REJECTED,
        subject=one_line(feed),
        occurred_at=at,
        title=one_line(what),
        facts=Facts(
            what_broke=one_line(what),
            since=at,
            how_many=f"{rejected:,} messages",
            owners=about.owners_of("rejected_messages"),
            next_step=(
                "`orders rejects list` shows the reasons; replay or discard them" if rejected else "nothing"
            ),
            link=about.asset_link("rejected_messages"),
        ),
        severity=Severity.WARNING if rejected else Severity.INFO,
        incident=f"rejected/{feed}",
        is_recovery=rejected == 0,
        targets=about.targets_of("rejected_messages", run=Targets(feed=feed)),
        details={"rejected": rejected, "messages": new, "rate": round(rate, 6)},
    )
