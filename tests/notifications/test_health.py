"""A channel in trouble: pauses, the breaker, its rate, and turned off for good."""

from datetime import timedelta

from resources.clock import FrozenClock
from resources.errors import GoneError, RetryLaterError, TransientError
from resources.notifications.dispatcher import Delivered, deliver_due
from resources.notifications.events import EventType
from resources.notifications.health import BREAKER
from resources.notifications.outbox import Outbox
from resources.notifications.port import Limits
from resources.notifications.retry import RetryPolicy
from tests.notifications.samples import T0, RecorderChannel, event

RETRY = RetryPolicy(base_s=1, cap_s=7200)


def test_a_delivery_is_tried_for_about_17_hours() -> None:
    assert timedelta(hours=16) < timedelta(seconds=RetryPolicy().mean_total_s()) < timedelta(hours=18)


def test_nothing_is_sent_before_the_time_that_the_other_side_asked_for(
    outbox: Outbox, clock: FrozenClock
) -> None:
    channel = RecorderChannel(error=RetryLaterError("429", 600))
    outbox.record([event(1)])
    assert deliver_due(outbox, [channel], clock, retry=RETRY).failed == 1
    channel.error = None
    outbox.record([event(2)])
    clock.advance(599)
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered()
    clock.advance(2)
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered(delivered=2)


def test_the_breaker_stops_the_attempts_and_one_probe_ends_the_outage(
    outbox: Outbox, clock: FrozenClock
) -> None:
    channel = RecorderChannel(error=TransientError("down"))
    outbox.record([event(number) for number in range(50)])
    first = deliver_due(outbox, [channel], clock, retry=RETRY)
    assert BREAKER <= first.failed < 50
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered()
    clock.advance(400)
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered(failed=1)
    channel.error = None
    clock.advance(400)
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered(delivered=50)
    (state,) = outbox.channel_states()
    assert (state.failures, state.paused_until) == (0, None)


def test_what_the_breaker_held_back_is_dead_in_the_end_too(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel(error=TransientError("down"))
    outbox.record([event(number) for number in range(50)])
    for _ in range(60):
        deliver_due(outbox, [channel], clock, retry=RetryPolicy())
        clock.advance(3600)
    counts = outbox.counts()
    assert counts.pending == 0
    assert counts.dead >= 50


def test_a_channel_that_is_gone_is_turned_off_and_news(outbox: Outbox, clock: FrozenClock) -> None:
    gone, well = RecorderChannel("gone", GoneError("410")), RecorderChannel("well")
    outbox.record([event(number) for number in range(5)])
    deliver_due(outbox, [gone, well], clock)
    deliver_due(outbox, [gone, well], clock)
    states = {state.channel: state for state in outbox.channel_states()}
    assert states["gone"].off_since == T0
    assert "410" in states["gone"].off_reason
    news = [notice.event for notice in well.sent if notice.event.event_type is EventType.NOTIFICATION_DEAD]
    assert [event.details["channel"] for event in news] == ["gone"]
    gone.error = None
    outbox.record([event(7)])
    deliver_due(outbox, [gone, well], clock)
    assert gone.sent == []

    assert outbox.turn_on("gone")
    outbox.replay(channel="gone")
    deliver_due(outbox, [gone, well], clock)
    assert {event(number).event_key for number in (0, 1, 2, 3, 4, 7)} <= {
        n.event.event_key for n in gone.sent
    }
    assert outbox.audit().is_clean


def test_a_rate_holds_over_all_dispatchers(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel(limits=Limits(rate_per_s=2, burst=3))
    outbox.record([event(number) for number in range(20)])
    assert deliver_due(outbox, [channel], clock) == Delivered(delivered=3)
    assert deliver_due(outbox, [RecorderChannel(limits=channel.limits)], clock) == Delivered()
    clock.advance(1)
    assert deliver_due(outbox, [channel], clock) == Delivered(delivered=2)


def test_a_channel_that_works_again_is_news_and_closes_its_incident(
    outbox: Outbox, clock: FrozenClock
) -> None:
    sick, well = RecorderChannel("sick", GoneError("410")), RecorderChannel("well")
    outbox.record([event(1)])
    for _ in range(2):
        deliver_due(outbox, [sick, well], clock)
    sick.error = None
    outbox.turn_on("sick")
    outbox.replay(channel="sick")
    clock.advance(3600)
    for _ in range(2):
        deliver_due(outbox, [sick, well], clock)
    about = [n for n in well.sent if n.event.event_type is EventType.NOTIFICATION_DEAD]
    assert [notice.is_resolved for notice in about] == [False, True]
