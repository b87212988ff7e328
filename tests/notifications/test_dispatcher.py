"""The dispatcher: what is due is tried once a pass, put off on failure, and dead in the end."""

import random
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.clock import FrozenClock, SystemClock
from resources.errors import PermanentError, TransientError
from resources.notifications.channels.file import FileChannel
from resources.notifications.dispatcher import Delivered, deliver_due
from resources.notifications.events import Notice, delivery_id
from resources.notifications.outbox import Outbox
from resources.notifications.port import Receipt
from resources.notifications.retry import RetryPolicy
from tests.notifications.samples import RecorderChannel, event

RETRY = RetryPolicy(base_s=10, cap_s=100, max_attempts=4)


def test_every_event_reaches_every_channel_once(outbox: Outbox, clock: FrozenClock) -> None:
    channels = [RecorderChannel("a"), RecorderChannel("b")]
    outbox.record([event(number) for number in range(3)])
    assert deliver_due(outbox, channels, clock) == Delivered(delivered=6)
    assert deliver_due(outbox, channels, clock) == Delivered()
    for channel in channels:
        assert [sent.event for sent in channel.sent] == [event(number) for number in range(3)]
    counts = outbox.counts()
    assert (counts.undecided, counts.matched, counts.delivered) == (0, 3, 6)


def test_a_failed_delivery_is_tried_again_under_the_same_id(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel(error=TransientError("down"))
    outbox.record([event(1)])
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered(failed=1)
    channel.error = None
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered()
    clock.advance(RETRY.base_s)
    assert deliver_due(outbox, [channel], clock, retry=RETRY) == Delivered(delivered=1)
    (sent,) = channel.sent
    assert (sent.delivery_id, sent.attempt) == (delivery_id(event(1).event_key, "recorder"), 2)


def test_a_delivery_is_dead_after_the_last_attempt(outbox: Outbox, clock: FrozenClock) -> None:
    channel = RecorderChannel(error=TransientError("down"))
    outbox.record([event(1)])
    passes = []
    for _ in range(RETRY.max_attempts):
        passes.append(deliver_due(outbox, [channel], clock, retry=RETRY))
        clock.advance(RETRY.cap_s)
    assert passes == [Delivered(failed=1)] * 3 + [Delivered(dead=1)]
    assert outbox.counts().dead == 1


def test_a_permanent_error_buries_at_once(outbox: Outbox, clock: FrozenClock) -> None:
    outbox.record([event(1)])
    channel = RecorderChannel(error=PermanentError("no such room"))
    assert deliver_due(outbox, [channel], clock) == Delivered(dead=1)


def test_a_channel_that_breaks_does_not_hold_up_the_others(outbox: Outbox, clock: FrozenClock) -> None:
    outbox.record([event(number) for number in range(3)])
    broken, well = RecorderChannel("broken", KeyError("bug")), RecorderChannel("well")
    result = deliver_due(outbox, [broken, well], clock)
    assert result == Delivered(delivered=3, failed=3)
    assert len(well.sent) == 3


def test_a_refused_repeat_counts_as_delivered(outbox: Outbox, clock: FrozenClock, tmp_path: Path) -> None:
    path = tmp_path / "notices.ndjson"
    outbox.record([event(1)])
    deliver_due(outbox, [FileChannel(path)], clock)
    with Outbox(tmp_path / "second.db", clock=clock) as forgetful:
        forgetful.record([event(1)])
        result = deliver_due(forgetful, [FileChannel(path)], clock)
        assert result == Delivered(already_delivered=1)
        assert forgetful.counts().delivered == 1


def test_a_pass_ends_with_its_budget_also_when_a_channel_hangs(outbox: Outbox, clock: FrozenClock) -> None:
    released = threading.Event()

    class Hanging(RecorderChannel):
        def send(self, notice: Notice) -> Receipt:
            released.wait(30)
            return super().send(notice)

    outbox.record([event(number) for number in range(9)])
    well = RecorderChannel("well")
    begun = time.monotonic()
    result = deliver_due(outbox, [Hanging(), well], clock, budget_s=3.0)
    released.set()
    assert time.monotonic() - begun < 20
    assert result == Delivered(delivered=9)
    assert len(well.sent) == 9


def test_two_channels_of_one_name_are_refused(outbox: Outbox, clock: FrozenClock) -> None:
    with pytest.raises(PermanentError, match="one name"):
        deliver_due(outbox, [RecorderChannel(), RecorderChannel()], clock)


def test_an_event_without_any_channel_is_unmatched(outbox: Outbox, clock: FrozenClock) -> None:
    outbox.record([event(1)])
    deliver_due(outbox, [], clock)
    assert outbox.counts().unmatched == 1


@given(st.integers(1, 5000), st.integers(0, 2**32))
def test_a_delay_is_never_longer_than_the_cap(attempt: int, seed: int) -> None:
    delay = RETRY.delay_s(attempt, random.Random(seed))
    assert timedelta(0) <= timedelta(seconds=delay) <= timedelta(seconds=RETRY.cap_s)


def test_what_was_just_recorded_is_delivered_by_the_next_pass(tmp_path: Path) -> None:
    channel = RecorderChannel()
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.record([event(1)])
        assert deliver_due(outbox, [channel], SystemClock()) == Delivered(delivered=1)
