"""Deliver what is due: decide, claim, send, settle, one delivery at a time and channel by channel.

At least once under one stable id: a process killed between `send` and the settling sends again
after the lease has run out, and a channel that knows the id refuses it.
"""

import logging
import random
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType

from resources import crashpoints
from resources.clock import Clock
from resources.errors import PermanentError, TransientError
from resources.notifications.events import Notice
from resources.notifications.outbox import Outbox
from resources.notifications.port import Channel
from resources.notifications.retry import RetryPolicy

_log = logging.getLogger(__name__)
_DECISIONS_AT_ONCE = 500
_DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one pass did: new deliveries, refused repeats, failures to retry, failures for good."""

    delivered: int = 0
    already_delivered: int = 0
    failed: int = 0
    dead: int = 0


def deliver_due(
    outbox: Outbox,
    channels: Sequence[Channel],
    clock: Clock,
    budget_s: float = 10.0,
    *,
    retry: RetryPolicy = _DEFAULT_RETRY,
    rng: random.Random | None = None,
    stop: threading.Event | None = None,
) -> Delivered:
    """Try every due delivery once, the channels in turn, for at most `budget_s` and one send more.

    What fails is put off and counted, never raised; TransientError and PermanentError are the
    outbox's own. A delivery that a killed dispatcher had claimed is due when its lease ends.
    """
    if len({channel.name for channel in channels}) < len(channels):
        raise PermanentError("two notification channels have one name; give each its own")
    started = clock.now()
    _decide_all(outbox, [channel.name for channel in channels], started)
    one_pass = _Pass(outbox, clock, retry, rng or random.Random())
    waiting = deque(channels)
    tally = {"delivered": 0, "already_delivered": 0, "failed": 0, "dead": 0}
    while waiting and clock.now() - started < timedelta(seconds=budget_s):
        if stop is not None and stop.is_set():
            break
        channel = waiting.popleft()
        outcome = one_pass.next_of(channel, due_by=started)
        if outcome is not None:
            tally[outcome] += 1
            waiting.append(channel)
    return Delivered(**tally)


def run_forever(
    outbox: Outbox,
    channels: Sequence[Channel],
    clock: Clock,
    stop: threading.Event,
    *,
    interval_s: float = 1.0,
    retry: RetryPolicy = _DEFAULT_RETRY,
) -> None:
    """Deliver until `stop` is set, looking every `interval_s`; a busy outbox is waited for."""
    while not stop.is_set():
        try:
            deliver_due(outbox, channels, clock, retry=retry, stop=stop)
        except TransientError as error:
            _log.warning("no delivery for now: %s", error)
        stop.wait(interval_s)


@contextmanager
def stopping_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; main thread only. The old handlers come back."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Pass:
    outbox: Outbox
    clock: Clock
    retry: RetryPolicy
    rng: random.Random

    def next_of(self, channel: Channel, *, due_by: datetime) -> str | None:
        """Claim, send and settle the channel's next delivery; None when nothing is due."""
        now = self.clock.now()
        notice = self.outbox.claim(channel.name, due_by=due_by, now=now, retry=self.retry)
        if notice is None:
            return None
        crashpoints.reached("notify.delivery_claimed")
        try:
            receipt = channel.send(notice)
        except Exception as error:  # noqa: BLE001 - the rim: one bad channel must not stop the others
            return self._put_off(channel, notice, error)
        crashpoints.reached("notify.notice_sent")
        self.outbox.delivered(notice, now=self.clock.now(), outcome=receipt.value)
        return receipt.value

    def _put_off(self, channel: Channel, notice: Notice, error: Exception) -> str:
        now = self.clock.now()
        is_dead = isinstance(error, PermanentError) or self.retry.is_exhausted(notice.attempt)
        delay = timedelta(seconds=self.retry.delay_s(notice.attempt, self.rng))
        told = f"{type(error).__name__}: {error}"
        self.outbox.failed(notice, now=now, error=told, retry_at=None if is_dead else now + delay)
        _log.log(
            logging.ERROR if is_dead else logging.WARNING,
            "delivery %s by channel %s %s at attempt %d: %s",
            notice.delivery_id,
            channel.name,
            "is dead" if is_dead else "failed",
            notice.attempt,
            told,
        )
        return "dead" if is_dead else "failed"


def _decide_all(outbox: Outbox, channels: Sequence[str], now: datetime) -> None:
    while recorded := outbox.undecided(_DECISIONS_AT_ONCE):
        outbox.decide({e.event_key: tuple(dict.fromkeys(channels)) for e in recorded}, now=now)
        crashpoints.reached("notify.events_decided")
