"""What was settled long ago is forgotten; what is owed, open or dead is not, and no order is told again."""

from dataclasses import replace
from datetime import timedelta

from resources.clock import FrozenClock
from resources.errors import PermanentError
from resources.notifications.dispatcher import deliver_due
from resources.notifications.events import Event, EventType
from resources.notifications.outbox import Outbox
from tests.notifications.samples import RecorderChannel, event, failure, recovery

LATER = timedelta(days=100)


def order(number: int) -> Event:
    """Return an order event."""
    return replace(event(number), event_key=f"ORDER_EVENT/shop/e-{number}", event_type=EventType.ORDER_EVENT)


def told(outbox: Outbox, clock: FrozenClock, channel: RecorderChannel, *found: Event) -> int:
    """Record and deliver; return how many events were new."""
    new = outbox.record(found)
    deliver_due(outbox, [channel], clock)
    return new


def test_what_was_told_is_forgotten_and_no_order_is_told_again(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel()
    told(outbox, clock, channel, order(1), event(2))
    assert outbox.prune(clock.now()) == 0
    clock.advance(LATER.total_seconds())
    assert outbox.prune(clock.now() - timedelta(days=90)) == 2
    assert (outbox.counts().events, outbox.counts().deliveries) == (0, 0)
    assert told(outbox, clock, channel, order(1), order(3)) == 1
    assert [notice.event.event_key for notice in channel.sent[2:]] == [order(3).event_key]
    assert outbox.audit().is_clean


def test_dead_letters_and_open_incidents_are_kept(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel()
    told(outbox, clock, channel, failure(1))
    channel.error = PermanentError("no")
    told(outbox, clock, channel, event(2))
    clock.advance(LATER.total_seconds())
    outbox.prune(clock.now())
    assert outbox.event(failure(1).event_key) is not None
    channel.error = None
    assert outbox.replay() == 1
    told(outbox, clock, channel, recovery(1))
    assert channel.sent[-2].event == event(2)
    assert channel.sent[-1].is_resolved
    clock.advance(LATER.total_seconds())
    outbox.prune(clock.now())
    assert [outbox.event(each.event_key) for each in (failure(1), event(2), recovery(1))] == [None] * 3


def test_a_digest_may_be_forgotten_before_what_it_carried(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel()
    told(outbox, clock, channel, failure(1))
    told(outbox, clock, channel, failure(2))
    clock.advance(100.0)
    told(outbox, clock, channel, failure(3))
    clock.advance(500.0)
    told(outbox, clock, channel, recovery(4))
    clock.advance(600.0)
    told(outbox, clock, channel)
    for days in (0, 1, 2):
        outbox.prune(clock.now() + timedelta(days=days))
        assert outbox.audit().is_clean
    assert [notice.count for notice in channel.sent] == [1, 3]
    assert outbox.counts().events == 0
