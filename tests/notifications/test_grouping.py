"""Grouping, flapping and recovery: few notices, each with the number it stands for, and none left open."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from resources.clock import FrozenClock
from resources.errors import PermanentError, TransientError
from resources.notifications.decisions import Circumstances, Decision, Everyone, Silence
from resources.notifications.dispatcher import deliver_due
from resources.notifications.events import Event, EventType, Notice, Severity
from resources.notifications.outbox import Outbox
from resources.notifications.policies.deciding import PolicyEngine
from tests.notifications.policies.samples import policies
from tests.notifications.samples import T0, RecorderChannel, event, failure, recovery

CHANNELS = ("recorder",)


def told(outbox: Outbox, clock: FrozenClock, channel: RecorderChannel, *found: Event) -> list[Notice]:
    """Record the events, deliver what is due, and return what arrived by that."""
    before = len(channel.sent)
    outbox.record(found)
    deliver_due(outbox, [channel], clock, 30, engine=Everyone(CHANNELS))
    return channel.sent[before:]


def later(outbox: Outbox, clock: FrozenClock, channel: RecorderChannel, seconds: float) -> list[Notice]:
    """Return what arrives when so much time has passed."""
    clock.advance(seconds)
    return told(outbox, clock, channel)


def test_flapping_100_times_in_5_minutes_gives_two_notices_and_the_count(
    outbox: Outbox, clock: FrozenClock
) -> None:
    channel = RecorderChannel()
    decider = outbox.decider(Everyone(CHANNELS), CHANNELS)
    for number in range(100):
        for turn in (failure(number, at=clock.now()), recovery(number, at=clock.now())):
            outbox.record([turn])
            decider.decide_next(10, clock.now())
            if number % 10 == 0:
                told(outbox, clock, channel)
            clock.advance(1.5)
    for _ in range(20):
        later(outbox, clock, channel, 60)
    opening, digest = channel.sent
    assert (opening.count, opening.is_resolved) == (1, False)
    assert (digest.count, digest.is_resolved) == (199, True)
    assert "199 events" in digest.event.facts.how_many
    assert opening.thread == digest.thread == "job/refresh"
    counts = outbox.counts()
    assert (counts.delivered, counts.grouped, counts.pending) == (2, 198, 0)
    assert outbox.audit().is_clean


def test_a_recovery_goes_to_who_was_told_once_it_has_lasted(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel()
    (opening,) = told(outbox, clock, channel, failure(1))
    clock.advance(60)
    assert told(outbox, clock, channel, recovery(1)) == []
    (closing,) = later(outbox, clock, channel, 31)
    assert (opening.is_resolved, closing.is_resolved) == (False, True)
    assert (opening.thread, closing.event.is_recovery) == (closing.thread, True)


def test_a_recovery_long_after_the_opening_goes_at_once(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel()
    told(outbox, clock, channel, failure(1))
    clock.advance(3600)
    (closing,) = told(outbox, clock, channel, recovery(1))
    assert closing.is_resolved


def test_who_was_not_told_of_the_opening_is_not_told_of_the_recovery(
    outbox: Outbox, clock: FrozenClock
) -> None:
    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        del circumstances
        muted = "silenced" if found.event_type is EventType.JOB_FAILURE else ""
        return [] if found.is_recovery else [Decision("recorder", muted=muted, group_key=found.incident)]

    channel = RecorderChannel()
    outbox.record([failure(1), recovery(1)])
    deliver_due(outbox, [channel], clock, engine=engine, ahead_s=3600)
    assert channel.sent == []
    counts = outbox.counts()
    assert (counts.muted, counts.unmatched) == (1, 1)


def test_a_recovery_is_told_whatever_is_silenced_meanwhile(outbox: Outbox, clock: FrozenClock) -> None:
    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        muted = "silenced" if circumstances.silences else ""
        return [Decision("recorder", muted=muted, group_key=found.incident)]

    channel = RecorderChannel()
    outbox.record([failure(1)])
    deliver_due(outbox, [channel], clock, engine=engine)
    outbox.silence(Silence("s-1", {"job": "refresh"}, T0, T0 + timedelta(days=1)))
    clock.advance(3600)
    outbox.record([recovery(1), failure(2, job="other")])
    deliver_due(outbox, [channel], clock, engine=engine)
    assert [notice.is_resolved for notice in channel.sent] == [False, True]
    assert outbox.counts().muted == 1


def test_an_opening_is_never_told_after_its_recovery(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel(error=TransientError("down"))
    told(outbox, clock, channel, failure(1))
    clock.advance(3600)
    outbox.record([recovery(1)])
    deliver_due(outbox, [channel], clock)
    channel.error = None
    for _ in range(3):
        later(outbox, clock, channel, 3600)
    assert [notice.is_resolved for notice in channel.sent] == [False, True]


def test_what_waits_in_a_group_goes_out_as_one_with_the_gravest_severity(
    outbox: Outbox, clock: FrozenClock
) -> None:
    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        del circumstances
        return [Decision("recorder", group_key="all", group_wait_s=30)]

    channel = RecorderChannel()
    mild, grave = event(1), replace(event(2), severity=Severity.CRITICAL)
    outbox.record([mild, grave, event(3)])
    deliver_due(outbox, [channel], clock, engine=engine)
    assert channel.sent == []
    clock.advance(30)
    deliver_due(outbox, [channel], clock, engine=engine)
    (digest,) = channel.sent
    assert (digest.count, digest.severity, digest.event.occurred_at) == (3, Severity.CRITICAL, T0)
    assert mild.title in digest.others


def test_what_stays_open_is_told_again(outbox: Outbox, clock: FrozenClock) -> None:
    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        del circumstances
        return [] if found.is_recovery else [Decision("recorder", group_key=found.incident, repeat_s=3600)]

    channel = RecorderChannel()
    decider = outbox.decider(engine, CHANNELS)

    def look() -> None:
        decider.decide_next(100, clock.now())
        decider.remind(clock.now())
        deliver_due(outbox, [channel], clock, engine=engine)

    outbox.record([failure(1)])
    for _ in range(3):
        look()
        clock.advance(3600)
    outbox.record([recovery(1)])
    look()
    clock.advance(7200)
    look()
    titles = [notice.event.title for notice in channel.sent]
    assert [title.startswith("Still open") for title in titles] == [False, True, True, False]
    assert [notice.is_resolved for notice in channel.sent] == [False, False, False, True]
    assert len({notice.thread for notice in channel.sent}) == 1
    assert outbox.audit().is_clean


def test_what_was_muted_and_is_still_open_is_told_when_the_silence_ends(
    outbox: Outbox, clock: FrozenClock
) -> None:
    until = T0 + timedelta(hours=1)

    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        is_muted = circumstances.now < until
        return [
            Decision(
                "recorder",
                muted="silenced" if is_muted else "",
                muted_until=until if is_muted else None,
                group_key=found.incident,
            )
        ]

    channel = RecorderChannel()
    outbox.record([failure(1)])
    deliver_due(outbox, [channel], clock, engine=engine)
    clock.advance(3600)
    outbox.decider(engine, CHANNELS).remind(clock.now())
    deliver_due(outbox, [channel], clock, engine=engine)
    (notice,) = channel.sent
    assert notice.event.title.startswith("Still open")


def test_quiet_hours_put_off_and_lose_nothing(outbox: Outbox, clock: FrozenClock) -> None:
    morning: datetime = T0 + timedelta(hours=9)

    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        is_quiet = circumstances.now < morning
        return [Decision("recorder", not_before=morning if is_quiet else None, group_key=found.incident)]

    channel = RecorderChannel()
    outbox.record([failure(number) for number in range(3)])
    deliver_due(outbox, [channel], clock, engine=engine)
    assert channel.sent == []
    clock.advance(9 * 3600)
    deliver_due(outbox, [channel], clock, engine=engine)
    assert [notice.count for notice in channel.sent] == [3]


def test_a_silence_mutes_what_waits_until_it_ends(outbox: Outbox, clock: FrozenClock) -> None:
    engine = PolicyEngine(
        policies("""alert_policies:
- name: p
  event_types: [JOB_FAILURE]
  notification_service: {x_console: {}}
  x_group: {by: [job], wait: 10m}
""")
    )
    channel = RecorderChannel("console")
    outbox.record([failure(1), failure(2), failure(3, job="other")])
    deliver_due(outbox, [channel], clock, engine=engine)
    outbox.silence(Silence("s", {"job": "refresh"}, clock.now(), clock.now() + timedelta(hours=1), "moving"))
    deliver_due(outbox, [channel], clock, engine=engine)
    clock.advance(600)
    deliver_due(outbox, [channel], clock, engine=engine)
    assert [notice.event.subject for notice in channel.sent] == ["other"]
    assert (outbox.counts().muted, outbox.audit().is_clean) == (2, True)
    clock.advance(3_600)
    decider = outbox.decider(engine, ["console"])
    decider.remind(clock.now())
    clock.advance(600)
    deliver_due(outbox, [channel], clock, engine=engine)
    assert [notice.event.subject for notice in channel.sent] == ["other", "refresh"]


def test_what_was_inhibited_and_is_still_open_is_told_afterwards(outbox: Outbox, clock: FrozenClock) -> None:
    engine = PolicyEngine(
        policies("""alert_policies:
- name: p
  event_types: [JOB_FAILURE]
  notification_service: {x_console: {}}
  x_inhibit: [{event_types: [DAEMON_UNAVAILABLE]}]
""")
    )
    channel = RecorderChannel("console")
    down = replace(
        failure(0),
        event_key="down",
        event_type=EventType.DAEMON_UNAVAILABLE,
        incident="daemon",
        subject="daemon",
    )
    up = replace(down, event_key="up", is_recovery=True)
    decider = outbox.decider(engine, ["console"])
    for found in (down, failure(1), up):
        outbox.record([found])
        decider.decide_next(10, clock.now())
        clock.advance(61)
        decider.remind(clock.now())
        deliver_due(outbox, [channel], clock, engine=engine)
    assert [notice.event.title for notice in channel.sent] == ["Still open: Job refresh failed"]


def test_what_a_channel_gives_up_goes_to_its_fallback_and_is_news_elsewhere(
    outbox: Outbox, clock: FrozenClock
) -> None:
    def engine(found: Event, circumstances: Circumstances) -> Sequence[Decision]:
        del circumstances
        names = ("a", "b") if found.event_type is EventType.NOTIFICATION_DEAD else ("a",)
        return [Decision(name, group_key=found.incident, fallback_channel="c") for name in names]

    a, b, c = RecorderChannel("a", PermanentError("no")), RecorderChannel("b"), RecorderChannel("c")
    outbox.record([failure(1)])
    for _ in range(3):
        deliver_due(outbox, [a, b, c], clock, engine=engine)
    assert [notice.event for notice in c.sent] == [failure(1)]
    (news,) = b.sent
    assert news.event.event_type is EventType.NOTIFICATION_DEAD
    clock.advance(3600)
    outbox.record([recovery(1)])
    deliver_due(outbox, [a, b, c], clock, engine=engine)
    assert c.sent[-1].is_resolved
    assert outbox.audit().is_clean


def test_news_of_a_dead_channel_makes_no_news_of_its_own(outbox: Outbox, clock: FrozenClock) -> None:
    a, b = RecorderChannel("a", PermanentError("no")), RecorderChannel("b", PermanentError("no"))
    outbox.record([event(1)])
    for _ in range(5):
        deliver_due(outbox, [a, b], clock)
    counts = outbox.counts()
    assert counts.events == 3
    assert counts.pending == counts.undecided == 0
